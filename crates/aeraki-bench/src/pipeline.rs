//! What a process does with config, part by part and in this one: what comes in, what is made of it, what goes out.
//!
//! Each part stands beside its floor: the decoding and encoding that nothing can do without.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aeraki_api::discovery::DiscoveryResponse;
use aeraki_api::mcp::{Any, Resource};
use aeraki_api::networking::{DestinationRule, EnvoyFilter, ServiceEntry, VirtualService};
use aeraki_core::engine::Engine;
use aeraki_core::object::{ConfigEvent, Object};
use aeraki_core::registry::Registry;
use aeraki_core::settings::Settings;
use aeraki_testkit::large_mesh::{self, FILTERS_OF_A_SERVICE, METHOD, Member, members};
use aeraki_xds::node::Identity;
use aeraki_xds::session::{Input, Output, Session};
use anyhow::{Context as _, Result, ensure};
use prost::{Message, Name};
use proto_dubbo as _;

/// Times of the parts; each is the median of several runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Decoded objects → EnvoyFilters as text, in an engine that was empty.
    pub(crate) full_generation: Duration,
    /// istiod's answers as bytes → EnvoyFilters as text, in a session and an engine that were empty.
    pub(crate) wire_to_filters: Duration,
    /// Decoding the same answers, and encoding the same EnvoyFilters, with nothing in between.
    pub(crate) floor: Duration,
    /// Decoding the same answers.
    pub(crate) decode_floor: Duration,
    /// One VirtualService → its EnvoyFilter.
    pub(crate) one_change: Duration,
    /// istiod's answers as bytes, when all of it is known.
    pub(crate) unchanged_push: Duration,
}

/// Measures all parts at this size, each so many times.
pub(crate) fn measure(size: usize, runs: usize) -> Result<Times> {
    let objects = large_mesh::objects(size);
    let answers = answers(size);
    let specs: Vec<EnvoyFilter> = {
        let mut engine = filled(&objects)?;
        let filters = engine.drain().upserted;
        ensure!(
            filters.len() == size * FILTERS_OF_A_SERVICE,
            "an engine that makes all of them"
        );
        filters
            .values()
            .map(|filter| filter.content.spec())
            .collect()
    };
    let full_generation = || {
        let mut engine = filled(&objects)?;
        Ok((engine.drain(), engine))
    };
    let wire_to_filters = || {
        let (mut session, mut engine) = (session(), engine()?);
        take(&mut session, &mut engine, &answers)?;
        Ok((engine.drain(), session, engine))
    };
    let encode = || {
        for spec in &specs {
            black_box(serde_json::to_string(spec)?);
        }
        Ok(())
    };
    let decode_floor = median(runs, || timed(|| decode(&answers)))?;
    let encode_floor = median(runs, || timed(encode))?;
    Ok(Times {
        full_generation: median(runs, || timed(full_generation))?,
        wire_to_filters: median(runs, || timed(wire_to_filters))?,
        floor: decode_floor + encode_floor,
        decode_floor,
        one_change: one_change(size, &objects)?,
        unchanged_push: unchanged_push(runs, &answers)?,
    })
}

fn one_change(size: usize, objects: &[Arc<Object>]) -> Result<Duration> {
    let mut engine = filled(objects)?;
    engine.drain();
    let mut turn = 0;
    median(200, || {
        turn += 1;
        change(&mut engine, Member(turn * 7919 % size), &format!("m{turn}"))
    })
}

/// How long a change of one service takes.
pub(crate) fn change(engine: &mut Engine, member: Member, method: &str) -> Result<Duration> {
    let object = Arc::new(Object::from(member.virtual_service(method)));
    let began = Instant::now();
    engine.apply(ConfigEvent::Put(object));
    let changes = engine.drain();
    let took = began.elapsed();
    ensure!(
        changes.upserted.len() == 1,
        "one change makes one EnvoyFilter anew"
    );
    Ok(took)
}

fn unchanged_push(runs: usize, answers: &[Vec<u8>]) -> Result<Duration> {
    let (mut session, mut engine) = (session(), engine()?);
    take(&mut session, &mut engine, answers)?;
    engine.drain();
    let mut push = || {
        take(&mut session, &mut engine, answers)?;
        ensure!(engine.drain().recomputed == 0, "nothing is to be made anew");
        Ok(())
    };
    median(runs, || timed(&mut push))
}

/// How long a part takes. What it has made is dropped when the time is up.
fn timed<T>(part: impl FnOnce() -> Result<T>) -> Result<Duration> {
    let began = Instant::now();
    let made = black_box(part()?);
    let took = began.elapsed();
    drop(made);
    Ok(took)
}

/// The median of so many runs.
pub(crate) fn median(runs: usize, mut run: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    let mut times = (0..runs).map(|_| run()).collect::<Result<Vec<_>>>()?;
    times.sort_unstable();
    Ok(times[runs / 2])
}

fn engine() -> Result<Engine> {
    let registry = Registry::linked().context("two protocols claim one token")?;
    Ok(Engine::new(Settings::default(), registry))
}

/// An engine that knows these objects, and has made nothing of them yet.
pub(crate) fn filled(objects: &[Arc<Object>]) -> Result<Engine> {
    let mut engine = engine()?;
    for object in objects {
        engine.apply(ConfigEvent::Put(Arc::clone(object)));
    }
    Ok(engine)
}

fn session() -> Session {
    let mut session = Session::new(&Identity {
        ip: [127, 0, 0, 1].into(),
        pod: "aeraki".to_owned(),
        namespace: "istio-system".to_owned(),
    });
    session.on(Input::Connected);
    session
}

/// istiod's answers: all ServiceEntries, all VirtualServices, all DestinationRules.
fn answers(size: usize) -> Vec<Vec<u8>> {
    let answer = |kind: &str, resources: Vec<Any>| {
        let type_url = format!("networking.istio.io/v1/{kind}");
        DiscoveryResponse {
            type_url,
            resources,
            ..DiscoveryResponse::default()
        }
        .encode_to_vec()
    };
    let entries = members(size).map(|member| large_mesh::resource(&member.service_entry(), 1));
    let services =
        members(size).map(|member| large_mesh::resource(&member.virtual_service(METHOD), 1));
    let rules = members(size).map(|member| large_mesh::resource(&member.destination_rule(), 1));
    vec![
        answer("ServiceEntry", entries.collect()),
        answer("VirtualService", services.collect()),
        answer("DestinationRule", rules.collect()),
    ]
}

fn take(session: &mut Session, engine: &mut Engine, answers: &[Vec<u8>]) -> Result<()> {
    for answer in answers {
        let response = DiscoveryResponse::decode(answer.as_slice())?;
        for output in session.on(Input::Response(response)) {
            if let Output::Update(update) = output {
                update
                    .events
                    .into_iter()
                    .for_each(|event| engine.apply(event));
            }
        }
    }
    Ok(())
}

/// Decodes every message to the last field, and lets it go.
fn decode(answers: &[Vec<u8>]) -> Result<()> {
    for answer in answers {
        for resource in DiscoveryResponse::decode(answer.as_slice())?.resources {
            let envelope: Resource = inside(&resource)?;
            let body = envelope.body.as_ref().context("a body")?;
            if body.holds::<ServiceEntry>() {
                black_box(inside::<ServiceEntry>(body)?);
            } else if body.holds::<VirtualService>() {
                black_box(inside::<VirtualService>(body)?);
            } else {
                black_box(inside::<DestinationRule>(body)?);
            }
            black_box(&envelope.metadata);
        }
    }
    Ok(())
}

fn inside<M: Message + Name + Default>(any: &Any) -> Result<M> {
    Ok(any.unpack().context("a message of another type")??)
}
