package main

import (
	"encoding/json"

	"google.golang.org/protobuf/proto"

	"github.com/sluice-mesh/sluice/pkg/xds"
)

// parts of a configuration that can be printed alone.
var parts = []string{"listeners", "routes", "clusters", "endpoints", "secrets"}

// render gives a whole configuration as Envoy reads it from a file, or one part as it goes to a proxy.
func render(r *xds.Resources, part string) ([]byte, error) {
	switch part {
	case "listeners":
		return list(r.Listeners)
	case "routes":
		return list(r.Routes)
	case "clusters":
		return list(r.Clusters)
	case "endpoints":
		return list(r.Endpoints)
	case "secrets":
		return list(r.Secrets)
	}
	bootstrap, err := xds.Static(r)
	if err != nil {
		return nil, err
	}
	return xds.JSON(bootstrap)
}

func list[M proto.Message](messages []M) ([]byte, error) {
	out := make([]json.RawMessage, 0, len(messages))
	for _, m := range messages {
		text, err := xds.JSON(m)
		if err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return json.Marshal(out)
}
