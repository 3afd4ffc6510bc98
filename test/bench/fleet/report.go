package fleet

import (
	"context"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	loadstatsv3 "github.com/envoyproxy/go-control-plane/envoy/service/load_stats/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// report lives on the second stream of a sidecar: it says who it is, is silent until it is told what to report, and then
// reports. It returns when the stream ends.
func (p *Proxy) report(ctx context.Context, conn *grpc.ClientConn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := loadstatsv3.NewLoadReportingServiceClient(conn).StreamLoadStats(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(p.says(nil)); err != nil {
		return err
	}
	told := make(chan *loadstatsv3.LoadStatsResponse)
	go func() {
		defer close(told)
		for {
			response, err := stream.Recv()
			if err != nil {
				return
			}
			select {
			case told <- response:
			case <-ctx.Done():
				return
			}
		}
	}()
	var order *loadstatsv3.LoadStatsResponse
	var due <-chan time.Time // never, until it is told
	for {
		var more bool
		select {
		case order, more = <-told:
			if !more {
				return nil
			}
		case <-due:
			if err := stream.Send(p.says(p.counted(order))); err != nil {
				return err
			}
		}
		due = time.After(order.GetLoadReportingInterval().AsDuration())
	}
}

// greetings remembers the wire form of recorded nodes, because a thousand proxies say the same every second. An Envoy would
// write each; here that would be the benchmark's own cost, not the control plane's.
var greetings sync.Map

// says is a message of the proxy. Each says anew who it is, as Envoy's do: a message that is there twice is one.
func (p *Proxy) says(stats []*endpointv3.ClusterStats) *loadstatsv3.LoadStatsRequest {
	greeting, known := greetings.Load(p.node)
	if !known {
		node := proto.CloneOf(p.node)
		node.Id = ""
		greeting, _ = proto.Marshal(&loadstatsv3.LoadStatsRequest{Node: node}) // what was read can be written
		greetings.Store(p.node, greeting)
	}
	request := &loadstatsv3.LoadStatsRequest{Node: &corev3.Node{Id: p.Pod.Name + "." + p.Pod.Namespace}, ClusterStats: stats}
	request.ProtoReflect().SetUnknown(greeting.([]byte))
	return request
}

// counted is what the proxy has to say about the clusters that it was told to report.
func (p *Proxy) counted(order *loadstatsv3.LoadStatsResponse) []*endpointv3.ClusterStats {
	var out []*endpointv3.ClusterStats
	for _, name := range order.GetClusters() {
		stats := &endpointv3.ClusterStats{ClusterName: name, LoadReportInterval: durationpb.New(order.GetLoadReportingInterval().AsDuration())}
		if p.Load != nil {
			stats.UpstreamLocalityStats = append(stats.UpstreamLocalityStats, p.Load(name))
		}
		out = append(out, stats)
	}
	return out
}

// OneRequest is the Load of a proxy that sends one request to each cluster between two reports, and gets its answer.
func OneRequest(string) *endpointv3.UpstreamLocalityStats {
	return &endpointv3.UpstreamLocalityStats{TotalIssuedRequests: 1, TotalSuccessfulRequests: 1}
}
