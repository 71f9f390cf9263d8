package main

import (
	"os"
	"path/filepath"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
)

const serviceEntries = "networking.istio.io/v1/ServiceEntry"

// writeDiscovery writes one message of each direction: a refusal with everything a request can
// carry, and an answer with the ServiceEntry of istio/ in it.
func writeDiscovery(out string) {
	resource, err := os.ReadFile(filepath.Join(out, "istio", "service_entry.mcp"))
	check(err)
	metadata, err := structpb.NewStruct(map[string]any{"GENERATOR": "api"})
	check(err)
	writeWire(filepath.Join(out, "discovery", "request.bin"), &discovery.DiscoveryRequest{
		VersionInfo:   "2026-08-27T12:45:20Z/7",
		Node:          &core.Node{Id: "router~10.0.0.1~a.b~b.svc.cluster.local", Cluster: "a", Metadata: metadata},
		ResourceNames: []string{"x", "y"},
		TypeUrl:       serviceEntries,
		ResponseNonce: "n-1",
		ErrorDetail:   &status.Status{Code: int32(codes.InvalidArgument), Message: "shop/orders: cut off"},
	})
	writeWire(filepath.Join(out, "discovery", "response.bin"), &discovery.DiscoveryResponse{
		VersionInfo:  "2026-08-27T12:45:20Z/7",
		Resources:    []*anypb.Any{{TypeUrl: "type.googleapis.com/istio.mcp.v1alpha1.Resource", Value: resource}},
		Canary:       true,
		TypeUrl:      serviceEntries,
		Nonce:        "n-2",
		ControlPlane: &core.ControlPlane{Identifier: "istiod"},
	})
}

func writeWire(path string, message proto.Message) {
	bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	check(err)
	check(os.MkdirAll(filepath.Dir(path), 0o755))
	write(path, bytes)
}
