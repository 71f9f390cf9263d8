//! Reads and writes the conversation with istiod as Envoy's own Go types do.
//!
//! The files in `golden/discovery` are written by the Go program in `go/`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use aeraki_api::JsonStruct;
use aeraki_api::discovery::{DiscoveryRequest, DiscoveryResponse, Node, Status};
use aeraki_api::mcp::{Any, Resource};
use prost::{Message, Name};
use serde_json::json;

const REQUEST: &[u8] = include_bytes!("golden/discovery/request.bin");
const RESPONSE: &[u8] = include_bytes!("golden/discovery/response.bin");
const SERVICE_ENTRY: &[u8] = include_bytes!("golden/istio/service_entry.mcp");

#[test]
fn a_request_is_written_byte_by_byte_as_envoys_own_type_writes_it() {
    let request = DiscoveryRequest {
        version_info: "2026-08-27T12:45:20Z/7".to_owned(),
        node: Some(Node {
            id: "router~10.0.0.1~a.b~b.svc.cluster.local".to_owned(),
            cluster: "a".to_owned(),
            metadata: Some(JsonStruct::try_from(json!({"GENERATOR": "api"})).unwrap()),
        }),
        resource_names: vec!["x".to_owned(), "y".to_owned()],
        type_url: "networking.istio.io/v1/ServiceEntry".to_owned(),
        response_nonce: "n-1".to_owned(),
        error_detail: Some(Status {
            code: 3,
            message: "shop/orders: cut off".to_owned(),
            details: Vec::new(),
        }),
    };
    assert_eq!(request.encode_to_vec(), REQUEST);
    assert_eq!(DiscoveryRequest::decode(REQUEST).unwrap(), request);
}

#[test]
fn an_answer_is_read_and_what_we_do_not_need_of_it_is_passed_over() {
    let answer = DiscoveryResponse::decode(RESPONSE).unwrap();
    let expected = DiscoveryResponse {
        version_info: "2026-08-27T12:45:20Z/7".to_owned(),
        resources: vec![Any {
            type_url: Resource::type_url(),
            value: SERVICE_ENTRY.to_owned(),
        }],
        type_url: "networking.istio.io/v1/ServiceEntry".to_owned(),
        nonce: "n-2".to_owned(),
    };
    assert_eq!(answer, expected);
    let resource: Resource = answer.resources[0].unpack().unwrap().unwrap();
    let body = resource.body.unwrap();
    assert!(body.holds::<aeraki_api::networking::ServiceEntry>());
}
