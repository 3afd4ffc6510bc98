package product

import (
	"context"
	"path/filepath"

	"github.com/sluice-mesh/sluice/test/cluster/image"
)

// probe is the application of the end-to-end tests: a server that misbehaves on request, and a client that counts.
func (b Builder) probe(ctx context.Context) ([]image.Spec, error) {
	program, err := b.program(ctx, "test/e2e/probe")
	if err != nil {
		return nil, err
	}
	return []image.Spec{{
		Names:      b.names("probe"),
		Layers:     []image.Layer{base(), {{Path: "/probe", Source: program, Mode: 0o755}}},
		Entrypoint: []string{"/probe"},
		User:       "65532:65532",
		Env:        []string{pathEnv},
	}}, nil
}

// flagger is Flagger as its own project builds it: the release partner whose Canaries ours must serve unchanged.
func (b Builder) flagger(ctx context.Context) ([]image.Spec, error) {
	dirs, err := b.Cache.Ensure(ctx, "flagger")
	if err != nil {
		return nil, err
	}
	program := image.File{Path: "/flagger", Source: filepath.Join(dirs[0], "flagger"), Mode: 0o755}
	return []image.Spec{{
		Names:      []string{"ghcr.io/fluxcd/flagger:1.43.0"},
		Layers:     []image.Layer{base(), {program}},
		Entrypoint: []string{"/flagger"},
		User:       "65532:65532",
		Env:        []string{pathEnv},
	}}, nil
}

// prometheus is Debian's, with a shell beside it: Debian leaves the discovery of Kubernetes out, so the tests write its
// targets into a file through "kubectl exec".
func (b Builder) prometheus(ctx context.Context) ([]image.Spec, error) {
	dir, err := b.Cache.Prometheus(ctx)
	if err != nil {
		return nil, err
	}
	tools, err := b.hostTools(ctx)
	if err != nil {
		return nil, err
	}
	program, err := image.Programs(map[string]string{"/usr/bin/prometheus": filepath.Join(dir, "prometheus")})
	if err != nil {
		return nil, err
	}
	return []image.Spec{{
		Names:      b.names("prometheus"),
		Layers:     []image.Layer{base(), tools, program},
		Entrypoint: []string{"/usr/bin/prometheus"},
		User:       "65532:65532",
		Env:        []string{pathEnv},
	}}, nil
}
