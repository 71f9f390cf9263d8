//! However long it goes on, memory is that of what is there: after a thousand streams and a million events as after none.
//! What is counted are bytes that are allocated, so nothing here depends on the machine.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::sync::Arc;

use aeraki_api::discovery::DiscoveryResponse;
use aeraki_api::mcp::Any;
use aeraki_core::engine::Engine;
use aeraki_core::object::{ConfigEvent, Object};
use aeraki_core::plan::CompleteView;
use aeraki_core::reconcile::Reconciler;
use aeraki_core::registry::Registry;
use aeraki_core::settings::Settings;
use aeraki_testkit::large_mesh::{self, METHOD, Member, members};
use aeraki_xds::node::Identity;
use aeraki_xds::session::{Input, Output, Session};
use proto_dubbo as _;
use tikv_jemalloc_ctl::{epoch, stats};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SERVICES: usize = 40;

/// Tables may have grown for a moment of crowding; nothing may grow with time.
const SLACK: usize = 64 << 10;

fn allocated() -> usize {
    epoch::advance().unwrap();
    stats::allocated::read().unwrap()
}

/// The controller's state without its edges.
struct Controller {
    session: Session,
    reconciler: Reconciler,
    epoch: u64,
}

impl Controller {
    fn new() -> Self {
        let engine = Engine::new(Settings::default(), Registry::linked().unwrap());
        let mut reconciler = Reconciler::new(engine);
        reconciler.observed_whole(true);
        let session = Session::new(&Identity {
            ip: [127, 0, 0, 1].into(),
            pod: "aeraki".to_owned(),
            namespace: "istio-system".to_owned(),
        });
        Self {
            session,
            reconciler,
            epoch: 0,
        }
    }

    fn on(&mut self, input: Input) {
        for output in self.session.on(input) {
            if let Output::Update(update) = output {
                update
                    .events
                    .into_iter()
                    .for_each(|event| self.reconciler.apply(event));
            }
        }
    }

    /// Makes a step, and sees what it has ordered done.
    fn step(&mut self) {
        let step = self.reconciler.step();
        for (key, filter) in step.changes.upserted {
            self.reconciler.observe(&key, Some(filter.content.clone()));
        }
        for key in step.changes.removed {
            self.reconciler.observe(&key, None);
        }
        self.reconciler.step();
    }

    /// A stream from its beginning to its end: all is told, with this method in every VirtualService.
    fn stream(&mut self, method: &str) {
        self.on(Input::Connected);
        let answers: [(&str, Vec<Any>); 3] = [
            (
                "ServiceEntry",
                members(SERVICES)
                    .map(|it| large_mesh::resource(&it.service_entry(), 1))
                    .collect(),
            ),
            (
                "VirtualService",
                members(SERVICES)
                    .map(|it| large_mesh::resource(&it.virtual_service(method), 1))
                    .collect(),
            ),
            (
                "DestinationRule",
                members(SERVICES)
                    .map(|it| large_mesh::resource(&it.destination_rule(), 1))
                    .collect(),
            ),
        ];
        for (kind, resources) in answers {
            for version in ["v1", "v1alpha3"] {
                let resources = if version == "v1" {
                    resources.clone()
                } else {
                    Vec::new()
                };
                self.on(Input::Response(DiscoveryResponse {
                    type_url: format!("networking.istio.io/{version}/{kind}"),
                    resources,
                    ..DiscoveryResponse::default()
                }));
            }
        }
        assert!(self.session.is_complete());
        self.epoch += 1;
        self.reconciler
            .view(Some(CompleteView::assert()), self.epoch);
        self.step();
        self.on(Input::Disconnected);
    }
}

#[test]
fn memory_is_that_of_what_is_there_after_any_number_of_streams_and_events() {
    let mut controller = Controller::new();
    for method in ["a", "b", METHOD] {
        controller.stream(method);
    }
    let before = allocated();
    for turn in 0..1_000 {
        controller.stream(["a", "b"][turn % 2]);
    }
    controller.stream(METHOD);
    let streams = allocated();
    assert!(
        streams < before + SLACK,
        "{before} bytes before 1,000 streams, {streams} after"
    );

    // Two states of every VirtualService; every fifth time it goes, and comes again.
    let states = ["a", "b"].map(|method| {
        let object = |member: Member| Arc::new(Object::from(member.virtual_service(method)));
        members(SERVICES).map(object).collect::<Vec<_>>()
    });
    let before = allocated();
    for turn in 0..1_000_000 {
        let object = &states[turn / SERVICES % 2][turn % SERVICES];
        let event = if turn / SERVICES % 5 == 4 {
            ConfigEvent::Delete(object.key.clone())
        } else {
            ConfigEvent::Put(Arc::clone(object))
        };
        controller.reconciler.apply(event);
        if turn % 1_000 == 999 {
            controller.step();
        }
    }
    controller.stream(METHOD);
    let events = allocated();
    assert!(
        events < before + SLACK,
        "{before} bytes before a million events, {events} after"
    );
}
