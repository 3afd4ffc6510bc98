package admission

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestCarve(t *testing.T) {
	for name, c := range map[string]struct{ body, object, rest string }{
		"as the API server writes it": {
			`{"kind":"AdmissionReview","request":{"uid":"u","object":{"a":"}"},"oldObject":null}}`,
			`{"a":"}"}`, `{"kind":"AdmissionReview","request":{"uid":"u","object":null,"oldObject":null}}`,
		},
		"with blanks":                   {"{ \"request\" :\n{ \"object\" : { \"a\" : [ 1 , 2 ] } } }", `{ "a" : [ 1 , 2 ] }`, "{ \"request\" :\n{ \"object\" : null } }"},
		"with escapes":                  {`{"request":{"object":{"a":"\"}\\"}}}`, `{"a":"\"}\\"}`, `{"request":{"object":null}}`},
		"an object elsewhere":           {`{"options":{"object":{"x":1}},"request":{"userInfo":{"object":{}},"object":{"y":2}}}`, `{"y":2}`, `{"options":{"object":{"x":1}},"request":{"userInfo":{"object":{}},"object":null}}`},
		"no object":                     {`{"request":{"object":null}}`, "", ""},
		"no request":                    {`{"object":{}}`, "", ""},
		"half a review":                 {`{"request":{"object":{"a":"b`, "", ""},
		"half an escape":                {`{"request":{"object":{"a":"\`, "", ""},
		"a list":                        {`[]`, "", ""},
		"nothing":                       {``, "", ""},
		"a key that is no string":       {`{1:{}}`, "", ""},
		"a value that is no value":      {`{"request":,}`, "", ""},
		"brackets that do not match up": {`{"request":{"object":{"a":[}]}}`, `{"a":[}]`, `{"request":{"object":null}}`},
	} {
		t.Run(name, func(t *testing.T) {
			object, rest, ok := carve([]byte(c.body))
			if ok != (c.object != "") || string(object) != c.object || string(rest) != c.rest {
				t.Errorf("got %q, %q, %v", object, rest, ok)
			}
		})
	}
}

// FuzzParseReview holds the law that makes carving safe: what is read is what the ordinary way reads. The one
// difference is that an invalid object is found later, by whoever reads it.
func FuzzParseReview(f *testing.F) {
	f.Add([]byte(reviewOf("demo", "CREATE", podinfo)))
	f.Add([]byte(`{"request":{"object":{"a":1},"object":{"b":2}}}`))
	f.Add([]byte(`{"request":{"object":{"a":1}},"request":{"object":{"b":2}}}`))
	f.Add([]byte(`{"request":{"object":{"a":[}]}}`))
	f.Add([]byte(`{"Request":{"OBJECT":{"a":1}},"request":{"uid":"x","object":{"\u0061":"\\\""}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := parseReview(body)
		var want review
		if wantErr := json.Unmarshal(body, &want); wantErr != nil {
			if err == nil && json.Valid(got.Request.Object) {
				t.Fatalf("accepted %q, which is not JSON: %v", body, wantErr)
			}
			return
		}
		if err != nil {
			t.Fatalf("refused %q: %v", body, err)
		}
		if (got.Request == nil) != (want.Request == nil) {
			t.Fatalf("%q: got %+v, want %+v", body, got, want)
		}
		if got.Request == nil {
			return
		}
		if got.Request.UID != want.Request.UID || got.Request.Namespace != want.Request.Namespace || got.Request.Operation != want.Request.Operation ||
			!bytes.Equal(got.Request.Object, want.Request.Object) {
			t.Fatalf("%q: got %+v, want %+v", body, got.Request, want.Request)
		}
	})
}
