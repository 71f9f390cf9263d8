// Command api-golden writes what the tests of aeraki-api compare with: the bytes and the JSON that
// Istio's and Envoy's own Go types make of the YAML files in DIR, and the fields those types have.
//
//	go run . -out ../golden
//
// The output is the same on every run, so a difference in version control is a change upstream.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"
	mcp "istio.io/api/mcp/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"
	"sigs.k8s.io/yaml"
)

// istioSpec is what each Istio message can do: both forms, by Istio's own rules for JSON.
type istioSpec interface {
	proto.Message
	json.Marshaler
	json.Unmarshaler
}

var istioKinds = map[string]func() istioSpec{
	"ServiceEntry":    func() istioSpec { return &networking.ServiceEntry{} },
	"VirtualService":  func() istioSpec { return &networking.VirtualService{} },
	"DestinationRule": func() istioSpec { return &networking.DestinationRule{} },
	"EnvoyFilter":     func() istioSpec { return &networking.EnvoyFilter{} },
}

type object struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name              string            `json:"name"`
		Namespace         string            `json:"namespace"`
		CreationTimestamp time.Time         `json:"creationTimestamp"`
		Labels            map[string]string `json:"labels"`
		Annotations       map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec json.RawMessage `json:"spec"`
}

func main() {
	log.SetFlags(0)
	out := flag.String("out", "", "directory with the YAML files, to write beside them")
	flag.Parse()
	if *out == "" {
		log.Fatal("-out is missing")
	}
	each(filepath.Join(*out, "istio"), writeIstio)
	each(filepath.Join(*out, "envoy"), writeEnvoy)
	writeDiscovery(*out)
	write(filepath.Join(*out, "istio.fields.txt"), istioFields())
	write(filepath.Join(*out, "envoy.fields.txt"), envoyFields())
}

// each calls f for every YAML file of a directory, with its path without the ending and its JSON.
func each(dir string, f func(path string, text []byte) error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	check(err)
	if len(files) == 0 {
		log.Fatalf("no YAML files in %s", dir)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		check(err)
		text, err := yaml.YAMLToJSON(source)
		check(err)
		if err := f(strings.TrimSuffix(file, ".yaml"), text); err != nil {
			log.Fatalf("%s: %v", file, err)
		}
	}
}

// writeIstio writes the spec as JSON and the whole object as an MCP resource.
func writeIstio(path string, text []byte) error {
	var cr object
	if err := json.Unmarshal(text, &cr); err != nil {
		return err
	}
	spec := istioKinds[cr.Kind]()
	if err := spec.UnmarshalJSON(cr.Spec); err != nil {
		return err
	}
	// Istio's reader passes over unknown fields; a misspelt one must not slip in here.
	if err := (protojson.UnmarshalOptions{}).Unmarshal(withoutDurations(cr.Spec), proto.Clone(spec)); err != nil {
		return err
	}
	body, err := spec.MarshalJSON()
	if err != nil {
		return err
	}
	write(path+".json", indented(body))

	packed := &anypb.Any{}
	deterministic := proto.MarshalOptions{Deterministic: true}
	if err := anypb.MarshalFrom(packed, spec, deterministic); err != nil {
		return err
	}
	resource, err := deterministic.Marshal(&mcp.Resource{
		Metadata: &mcp.Metadata{
			Name:        cr.Metadata.Namespace + "/" + cr.Metadata.Name,
			CreateTime:  timestamppb.New(cr.Metadata.CreationTimestamp),
			Version:     "17",
			Labels:      cr.Metadata.Labels,
			Annotations: cr.Metadata.Annotations,
		},
		Body: packed,
	})
	if err != nil {
		return err
	}
	write(path+".mcp", resource)
	return nil
}

// withoutDurations gives the same object with every text that is a Go duration in protobuf's form,
// which is the only one that the strict reader knows.
func withoutDurations(text []byte) []byte {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	check(decoder.Decode(&value))
	result, err := json.Marshal(canonicalDurations(value))
	check(err)
	return result
}

func canonicalDurations(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, member := range value {
			value[key] = canonicalDurations(member)
		}
	case []any:
		for i, item := range value {
			value[i] = canonicalDurations(item)
		}
	case string:
		if d, err := time.ParseDuration(value); err == nil && value != "0" {
			return fmt.Sprintf("%ds", int64(d.Seconds()))
		}
	}
	return value
}

// writeEnvoy reads an Any strictly, so that every name and value must exist, and writes it as JSON
// with Envoy's own field names.
func writeEnvoy(path string, text []byte) error {
	packed := &anypb.Any{}
	if err := (protojson.UnmarshalOptions{}).Unmarshal(text, packed); err != nil {
		return err
	}
	result, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(packed)
	if err != nil {
		return err
	}
	write(path+".json", indented(result))
	return nil
}

// indented sorts keys and undoes the deliberately unstable white space of protojson.
func indented(text []byte) []byte {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	check(decoder.Decode(&value))
	var result bytes.Buffer
	encoder := json.NewEncoder(&result)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	check(encoder.Encode(value))
	return result.Bytes()
}

func write(path string, content []byte) {
	check(os.WriteFile(path, content, 0o644))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
