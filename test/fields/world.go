package fields

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
	"github.com/sluice-mesh/sluice/test/snapshot"
)

// World is a set of Kubernetes objects.
type World []map[string]any

// Outcome is what a world becomes.
type Outcome struct {
	// Resources of each proxy, by the namespace and the name of its virtual node or gateway.
	Resources map[string]*xds.Resources
	Problems  []mesh.Problem
}

// Twins gives the world of a case with its row, and the one without.
func (w World) Twins(c Case) (with, without World, err error) {
	if with, err = w.set(c.Object, c.Given); err != nil {
		return nil, nil, err
	}
	without, err = with.set(c.Object, map[string]any{c.Row: c.Without})
	if err != nil {
		return nil, nil, err
	}
	with, err = with.set(c.Object, map[string]any{c.Row: c.With})
	return with, without, err
}

// With gives the world in which every case has its row, as far as one does not take away what another needs.
func (w World) With(cases ...Case) (World, error) {
	for _, c := range cases {
		var err error
		if w, _, err = w.Twins(c); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// set gives a world in which the rows of the object, Kind/name, have the values; nil takes a field away.
func (w World) set(object string, values map[string]any) (World, error) {
	kind, name, _ := strings.Cut(object, "/")
	i := slices.IndexFunc(w, func(o map[string]any) bool {
		metadata, _ := o["metadata"].(map[string]any)
		return o["kind"] == kind && metadata["name"] == name
	})
	if i < 0 {
		return nil, fmt.Errorf("the world has no %s", object)
	}
	var changed, given map[string]any
	if err := errors.Join(clone(&changed, w[i]), clone(&given, values)); err != nil {
		return nil, err
	}
	for _, row := range slices.Sorted(maps.Keys(given)) {
		put(changed, row, given[row])
	}
	out := slices.Clone(w)
	out[i] = changed
	return out, nil
}

// clone copies by way of JSON, so that what is set in one world is not in another.
func clone(to *map[string]any, from map[string]any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}

// put sets the field at a row, and makes what is missing on the way. Of lists it takes the first item.
func put(object map[string]any, row string, value any) {
	first, rest, more := strings.Cut(strings.TrimSuffix(row, ".*"), ".")
	name, isItem := strings.CutSuffix(first, "[]")
	if !isItem {
		if !more {
			replace(object, name, value)
			return
		}
		child, _ := object[name].(map[string]any)
		if child == nil {
			if value == nil {
				return
			}
			child = map[string]any{}
			object[name] = child
		}
		put(child, rest, value)
		return
	}
	list, _ := object[name].([]any)
	switch {
	case value == nil && len(list) == 0:
	case more:
		if len(list) == 0 {
			list = []any{map[string]any{}}
		}
		put(list[0].(map[string]any), rest, value)
		object[name] = list
	case value == nil:
		replace(object, name, nilIfEmpty(list[1:]))
	default:
		object[name] = append([]any{value}, list[min(1, len(list)):]...)
	}
}

func replace(object map[string]any, name string, value any) {
	if value == nil {
		delete(object, name)
		return
	}
	object[name] = value
}

func nilIfEmpty(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list
}

// Snapshot decodes the world as an API server's objects are.
func (w World) Snapshot() (mesh.Snapshot, error) {
	var s mesh.Snapshot
	for _, object := range w {
		text, err := json.Marshal(object)
		if err != nil {
			return s, err
		}
		if err := snapshot.Add(&s, object["kind"].(string), text); err != nil {
			return s, fmt.Errorf("%w in %s", err, text)
		}
	}
	return s, nil
}

// Outcome builds the model of the world and translates it for every proxy.
func (w World) Outcome() (Outcome, error) {
	s, err := w.Snapshot()
	if err != nil {
		return Outcome{}, err
	}
	m, problems := mesh.Build(s)
	out := Outcome{Resources: map[string]*xds.Resources{}, Problems: problems}
	for _, id := range m.Proxies() {
		name := id.Namespace + "/" + id.Name
		if out.Resources[name] != nil {
			return Outcome{}, fmt.Errorf("a virtual node and a virtual gateway are called %s", name)
		}
		if out.Resources[name], err = xds.Translate(m, id); err != nil {
			return Outcome{}, err
		}
	}
	return out, nil
}

// Tree prints the resources as maps and lists: proxy, list of resources, resource.
func (o Outcome) Tree() (map[string]any, error) {
	out := map[string]any{}
	for proxy, r := range o.Resources {
		lists := map[string]any{}
		// By reflection, so that a list that is added to Resources is not forgotten here.
		v := reflect.ValueOf(*r)
		for i := range v.NumField() {
			list := v.Field(i)
			if list.Kind() != reflect.Slice || !list.Type().Elem().Implements(reflect.TypeFor[proto.Message]()) {
				continue // not sent to Envoy
			}
			all := []any{}
			for j := range list.Len() {
				printed, err := printed(list.Index(j).Interface().(proto.Message))
				if err != nil {
					return nil, err
				}
				all = append(all, printed)
			}
			lists[strings.ToLower(v.Type().Field(i).Name)] = all
		}
		out[proxy] = lists
	}
	return out, nil
}

// printed goes through JSON, because the text of protojson is unstable on purpose.
func printed(m proto.Message) (any, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("print %T: %w", m, err)
	}
	var v any
	return v, json.Unmarshal(text, &v)
}
