package main

import (
	"bytes"
	"fmt"
	"log"
	"sort"

	kafka "github.com/envoyproxy/go-control-plane/contrib/envoy/extensions/filters/network/kafka_broker/v3"
	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	rediscluster "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/redis/v3"
	dubbo "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/dubbo_proxy/v3"
	redis "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/redis_proxy/v3"
	thrift "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/thrift_proxy/v3"
	zookeeper "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/zookeeper_proxy/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	matcher "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	mcp "istio.io/api/mcp/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"
)

// istioFields lists all that can be reached from the kinds that we read or write, and the part of
// the status that we read.
func istioFields() []byte {
	l := listing{seen: map[protoreflect.FullName]bool{}, follow: true}
	for _, m := range []proto.Message{
		&networking.ServiceEntry{}, &networking.VirtualService{}, &networking.DestinationRule{},
		&networking.EnvoyFilter{}, &mcp.Resource{},
	} {
		l.message(m.ProtoReflect().Descriptor())
	}
	l.follow = false
	l.message((&networking.ServiceEntryStatus{}).ProtoReflect().Descriptor())
	l.message((&networking.ServiceEntryAddress{}).ProtoReflect().Descriptor())
	return l.text()
}

// envoyFields lists the messages that we declare, whole, with what is nested in them, but not what
// they lead to: a cluster leads to nearly all of Envoy.
func envoyFields() []byte {
	l := listing{seen: map[protoreflect.FullName]bool{}}
	for _, m := range []proto.Message{
		&cluster.Cluster{}, &cluster.CircuitBreakers{}, &cluster.UpstreamConnectionOptions{},
		&core.DataSource{}, &core.WatchedDirectory{}, &core.RuntimeFractionalPercent{},
		&core.Metadata{}, &core.Node{}, &core.Locality{}, &core.TransportSocket{}, &core.SocketAddress{},
		&core.Pipe{}, &core.Address{}, &core.TcpKeepalive{},
		&endpoint.ClusterLoadAssignment{}, &endpoint.LocalityLbEndpoints{}, &endpoint.LbEndpoint{},
		&endpoint.Endpoint{},
		&route.HeaderMatcher{}, &route.WeightedCluster{},
		&matcher.StringMatcher{}, &matcher.RegexMatcher{},
		&typev3.Percent{}, &typev3.FractionalPercent{}, &typev3.Int64Range{},
		&dubbo.DubboProxy{}, &dubbo.DubboFilter{}, &dubbo.MultipleRouteConfiguration{},
		&dubbo.RouteConfiguration{}, &dubbo.Route{}, &dubbo.RouteMatch{}, &dubbo.RouteAction{},
		&dubbo.MethodMatch{},
		&thrift.ThriftProxy{}, &thrift.ThriftFilter{}, &thrift.ThriftProtocolOptions{},
		&thrift.RouteConfiguration{}, &thrift.Route{}, &thrift.RouteMatch{}, &thrift.RouteAction{},
		&thrift.WeightedCluster{},
		&redis.RedisProxy{}, &redis.RedisProtocolOptions{}, &rediscluster.RedisClusterConfig{},
		&zookeeper.ZooKeeperProxy{}, &zookeeper.LatencyThresholdOverride{},
		&discovery.DiscoveryRequest{}, &discovery.DiscoveryResponse{}, &status.Status{},
		&kafka.KafkaBroker{}, &kafka.IdBasedBrokerRewriteSpec{}, &kafka.IdBasedBrokerRewriteRule{},
	} {
		l.message(m.ProtoReflect().Descriptor())
	}
	return l.text()
}

// listing collects a line per field and per enum value, tab-separated:
//
//	field  name  number  label  type  JSON name  oneof
//	value  name  number
type listing struct {
	seen   map[protoreflect.FullName]bool
	follow bool
	lines  []string
}

func (l *listing) message(m protoreflect.MessageDescriptor) {
	if l.seen[m.FullName()] || m.ParentFile().Package() == "google.protobuf" {
		return
	}
	l.seen[m.FullName()] = true
	for i := range m.Fields().Len() {
		l.field(m.Fields().Get(i))
	}
	for i := range m.Messages().Len() {
		l.message(m.Messages().Get(i))
	}
	for i := range m.Enums().Len() {
		l.enum(m.Enums().Get(i))
	}
}

func (l *listing) field(f protoreflect.FieldDescriptor) {
	kind, oneof := f.Kind().String(), "-"
	switch {
	case f.Message() != nil:
		kind = string(f.Message().FullName())
		if l.follow {
			l.message(f.Message())
		}
	case f.Enum() != nil:
		kind = string(f.Enum().FullName())
		l.enum(f.Enum())
	}
	if f.HasOptionalKeyword() {
		log.Fatalf("%s is optional: the listing cannot say so", f.FullName())
	}
	if f.ContainingOneof() != nil {
		oneof = string(f.ContainingOneof().Name())
	}
	l.lines = append(l.lines, fmt.Sprintf("field\t%s\t%d\t%s\t%s\t%s\t%s",
		f.FullName(), f.Number(), f.Cardinality(), kind, f.JSONName(), oneof))
}

func (l *listing) enum(e protoreflect.EnumDescriptor) {
	if l.seen[e.FullName()] || e.ParentFile().Package() == "google.protobuf" {
		return
	}
	l.seen[e.FullName()] = true
	for i := range e.Values().Len() {
		v := e.Values().Get(i)
		l.lines = append(l.lines, fmt.Sprintf("value\t%s.%s\t%d", e.FullName(), v.Name(), v.Number()))
	}
}

func (l *listing) text() []byte {
	sort.Strings(l.lines)
	var b bytes.Buffer
	for _, line := range l.lines {
		fmt.Fprintln(&b, line)
	}
	return b.Bytes()
}
