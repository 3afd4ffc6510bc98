package envoy

import (
	"fmt"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// loadRequest is what we read of a LoadStatsRequest. Envoy puts its whole node into each, with all its extensions: 60 kB
// around some hundred bytes of counts. Only the node's name is taken from it, without decoding the rest.
type loadRequest struct {
	node  string
	stats []*endpointv3.ClusterStats
}

// Numbers of fields: those of LoadStatsRequest, and that of Node's id.
const (
	fieldNode         = 1
	fieldClusterStats = 2
	fieldNodeID       = 1
)

// unmarshal reads the wire form of a LoadStatsRequest.
func (r *loadRequest) unmarshal(data []byte) error {
	*r = loadRequest{}
	return fields(data, func(number protowire.Number, value []byte) error {
		switch number {
		case fieldNode:
			return fields(value, func(number protowire.Number, value []byte) error {
				if number == fieldNodeID {
					r.node = string(value)
				}
				return nil
			})
		case fieldClusterStats:
			stats := &endpointv3.ClusterStats{}
			if err := proto.Unmarshal(value, stats); err != nil {
				return err
			}
			r.stats = append(r.stats, stats)
		}
		return nil
	})
}

// fields goes through the fields of a message that have a length: strings and messages. Others are passed over.
func fields(data []byte, each func(protowire.Number, []byte) error) error {
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return fmt.Errorf("read a load report: %w", protowire.ParseError(n))
		}
		data = data[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, data); n < 0 {
				return fmt.Errorf("read a load report: %w", protowire.ParseError(n))
			}
			data = data[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(data)
		if n < 0 {
			return fmt.Errorf("read a load report: %w", protowire.ParseError(n))
		}
		if err := each(number, value); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// codec reads a loadRequest in our way, and everything else as gRPC does.
type codec struct{ encoding.CodecV2 }

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ours := v.(*loadRequest)
	if !ours {
		return c.CodecV2.Unmarshal(data, v)
	}
	buffer := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buffer.Free()
	return r.unmarshal(buffer.ReadOnlyData())
}
