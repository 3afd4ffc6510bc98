package fleet

import (
	"bufio"
	"bytes"
	"fmt"
	"slices"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/encoding/protojson"
)

// Recording is what one Envoy sent on its stream, in order.
type Recording []*discoveryv3.DeltaDiscoveryRequest

// ParseRecording reads a recording, one request as JSON per line.
func ParseRecording(text []byte) (Recording, error) {
	var out Recording
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1) // the node of a real Envoy is one long line
	for lines.Scan() {
		request := &discoveryv3.DeltaDiscoveryRequest{}
		if err := protojson.Unmarshal(lines.Bytes(), request); err != nil {
			return nil, fmt.Errorf("read request %d of the recording: %w", len(out)+1, err)
		}
		out = append(out, request)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the recording: %w", err)
	}
	if len(out) == 0 || out[0].GetNode() == nil {
		return nil, fmt.Errorf("the recording of %d requests does not start with a node", len(out))
	}
	return out, nil
}

// Text is what ParseRecording reads.
func (r Recording) Text() ([]byte, error) {
	var out bytes.Buffer
	for _, request := range r {
		line, err := protojson.Marshal(request)
		if err != nil {
			return nil, fmt.Errorf("write the recording: %w", err)
		}
		// protojson varies its spaces on purpose; a recording is compared with its predecessor by people.
		line, err = compactJSON(line)
		if err != nil {
			return nil, fmt.Errorf("write the recording: %w", err)
		}
		out.Write(line)
		out.WriteByte('\n')
	}
	return out.Bytes(), nil
}

// wildcards are the requests for all there is of a type, keyed by the type that the proxy had acknowledged right before;
// the first is keyed by "". An Envoy asks for listeners when it has its clusters.
func (r Recording) wildcards() map[string]*discoveryv3.DeltaDiscoveryRequest {
	out := map[string]*discoveryv3.DeltaDiscoveryRequest{}
	acknowledged := ""
	for _, request := range r {
		switch {
		case request.GetResponseNonce() != "":
			acknowledged = request.GetTypeUrl()
		case len(request.GetResourceNamesSubscribe()) == 0 && out[acknowledged] == nil:
			out[acknowledged] = request
		}
	}
	return out
}

// Gist lists per type what was said, without what differs from stream to stream: nonces, and who said it. Types are
// apart, because the order in which their messages meet on the wire depends on which answer came first.
func (r Recording) Gist() map[string][]string {
	out := map[string][]string{}
	for _, request := range r {
		word := "subscribe"
		if request.GetResponseNonce() != "" {
			word = "ack"
		}
		if request.GetErrorDetail() != nil {
			word = "nack"
		}
		names := func(list []string) []string {
			sorted := slices.Clone(list)
			slices.Sort(sorted)
			return sorted
		}
		out[request.GetTypeUrl()] = append(out[request.GetTypeUrl()],
			fmt.Sprintf("%s +%v -%v", word, names(request.GetResourceNamesSubscribe()), names(request.GetResourceNamesUnsubscribe())))
	}
	return out
}
