//! Faults, and the percentages of faults and mirrors.

use aeraki_api::envoy::core::RuntimeFractionalPercent;
use aeraki_api::envoy::percent::{FractionalPercent, fractional_percent::DenominatorType};
use aeraki_api::envoy::redis::redis_proxy::{RedisFault, redis_fault::RedisFaultType};
use aeraki_core::diagnostic::Diagnostic;
use aeraki_core::generator::ServiceContext;
use aeraki_core::object::Object;

use crate::codes;
use crate::inputs::Given;
use crate::spec::{Fault, FaultType, Percent, RedisService};

/// All of a million.
pub(crate) const ALWAYS: u32 = 1_000_000;

/// The faults to inject. One that can never strike is left out.
pub(crate) fn faults(ctx: &ServiceContext<'_>, given: &Given<'_, RedisService>) -> Vec<RedisFault> {
    let faults = given.spec.faults.iter().enumerate();
    faults
        .filter_map(|(i, one)| fault(ctx, given.object, one, &format!("spec.faults[{i}]")))
        .collect()
}

fn fault(
    ctx: &ServiceContext<'_>,
    owner: &Object,
    fault: &Fault,
    field: &str,
) -> Option<RedisFault> {
    let share = per_million(ctx, owner, fault.percentage, field)?;
    let delay = fault.delay.filter(|delay| delay.as_nanos() > 0);
    let ignored = |sentence: &str| {
        let diagnostic = Diagnostic::new(&codes::NO_EFFECT, &owner.key, sentence);
        ctx.report(diagnostic.at(format!("{field}.delay")));
    };
    match (fault.r#type, delay) {
        (FaultType::Delay, None) => {
            ignored("a DELAY fault without a positive delay does nothing, so it is left out");
            return None;
        }
        (FaultType::Error, None) if fault.delay.is_some_and(|delay| !delay.is_zero()) => {
            ignored("a delay cannot be negative, so the error comes without one");
        }
        _ => {}
    }
    let kind = match fault.r#type {
        FaultType::Delay => RedisFaultType::Delay,
        FaultType::Error => RedisFaultType::Error,
    };
    (share > 0).then(|| RedisFault {
        fault_type: kind as i32,
        fault_enabled: Some(fraction(share)),
        delay,
        commands: fault.commands.clone(),
    })
}

/// A percentage as parts per million, all if absent. `None`, and reported, if it is none.
pub(crate) fn per_million(
    ctx: &ServiceContext<'_>,
    owner: &Object,
    percentage: Option<Percent>,
    field: &str,
) -> Option<u32> {
    let value = percentage.map_or(100.0, |percentage| percentage.value);
    if !(0.0..=100.0).contains(&value) {
        let sentence = format!("{value} is no percentage, so the entry is left out");
        let diagnostic = Diagnostic::new(&codes::NOT_A_PERCENTAGE, &owner.key, sentence);
        ctx.report(diagnostic.at(format!("{field}.percentage.value")));
        return None;
    }
    // In range, so neither the sign nor the size is lost.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked range"
    )]
    Some((value * 10_000.0).round() as u32)
}

/// Parts per million as Envoy writes them.
pub(crate) fn fraction(per_million: u32) -> RuntimeFractionalPercent {
    RuntimeFractionalPercent {
        default_value: Some(FractionalPercent {
            numerator: per_million,
            denominator: DenominatorType::Million as i32,
        }),
        runtime_key: String::new(),
    }
}
