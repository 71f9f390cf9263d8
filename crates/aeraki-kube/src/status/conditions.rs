//! An object's JSON with the conditions that a verdict asks for.

use aeraki_api::Timestamp;
use serde_json::{Map, Value, json};

use super::verdict::{Finding, Verdict};

/// The object as it should be; `None` if it is.
///
/// Conditions of other types stay, and so does whatever else stands in the status. The time of a condition is that of
/// its last turn from true to false or back.
#[must_use]
pub fn with_conditions(object: &Value, verdict: &Verdict, now: Timestamp) -> Option<Value> {
    let generation = object["metadata"]["generation"].as_i64();
    let conditions = object["status"]["conditions"].as_array();
    let mut conditions = conditions.cloned().unwrap_or_default();
    let mut is_changed = false;
    for (name, finding) in [
        ("Accepted", &verdict.accepted),
        ("Programmed", &verdict.programmed),
    ] {
        is_changed |= set(&mut conditions, name, finding, generation, now);
    }
    is_changed.then(|| with(object, conditions, generation))
}

/// Whether the condition had to be changed.
fn set(
    conditions: &mut Vec<Value>,
    name: &str,
    finding: &Finding,
    generation: Option<i64>,
    now: Timestamp,
) -> bool {
    let state = if finding.holds { "True" } else { "False" };
    let there = conditions
        .iter()
        .position(|condition| condition["type"] == name);
    let since = there
        .map(|at| &conditions[at])
        .filter(|condition| condition["status"] == state)
        .and_then(|condition| condition.get("lastTransitionTime").cloned());
    let mut wanted = json!({
        "type": name,
        "status": state,
        "reason": finding.reason,
        "message": finding.message,
        "lastTransitionTime": since.unwrap_or_else(|| json!(now)),
    });
    if let Some(generation) = generation {
        wanted["observedGeneration"] = json!(generation);
    }
    match there {
        Some(at) if conditions[at] == wanted => return false,
        Some(at) => conditions[at] = wanted,
        None => conditions.push(wanted),
    }
    true
}

fn with(object: &Value, conditions: Vec<Value>, generation: Option<i64>) -> Value {
    let mut object = object.clone();
    if !object["status"].is_object() {
        object["status"] = Value::Object(Map::new());
    }
    object["status"]["conditions"] = Value::Array(conditions);
    if let Some(generation) = generation {
        object["status"]["observedGeneration"] = json!(generation);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::verdict::Output;

    fn verdict(made: usize, pending: usize) -> Verdict {
        Verdict::of([], Output { made, pending })
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn object(generation: i64) -> Value {
        json!({"metadata": {"name": "cache", "generation": generation}, "spec": {"host": "cache"}})
    }

    fn condition<'a>(object: &'a Value, name: &str) -> &'a Value {
        let all = object["status"]["conditions"].as_array().unwrap();
        all.iter()
            .find(|condition| condition["type"] == name)
            .unwrap()
    }

    #[test]
    fn conditions_say_what_the_verdict_is_and_of_which_generation() {
        let object = with_conditions(&object(3), &verdict(1, 1), at(0)).unwrap();
        assert_eq!(condition(&object, "Accepted")["status"], "True");
        let programmed = condition(&object, "Programmed");
        assert_eq!(programmed["status"], "False");
        assert_eq!(programmed["observedGeneration"], 3);
        assert_eq!(object["status"]["observedGeneration"], 3);
        assert_eq!(programmed["lastTransitionTime"], "1970-01-01T00:00:00Z");
        assert_eq!(object["spec"]["host"], "cache");
    }

    #[test]
    fn what_is_as_it_should_be_is_not_written_again() {
        let object = with_conditions(&object(3), &verdict(1, 0), at(0)).unwrap();
        assert_eq!(with_conditions(&object, &verdict(1, 0), at(99)), None);
    }

    #[test]
    fn the_time_changes_only_when_a_condition_turns() {
        let object = with_conditions(&object(3), &verdict(1, 1), at(0)).unwrap();
        let mut turned = with_conditions(&object, &verdict(2, 0), at(60)).unwrap();
        let time = |object: &Value, name| condition(object, name)["lastTransitionTime"].clone();
        assert_eq!(time(&turned, "Accepted"), "1970-01-01T00:00:00Z");
        assert_eq!(time(&turned, "Programmed"), "1970-01-01T00:01:00Z");
        turned["metadata"]["generation"] = json!(4);
        let again = with_conditions(&turned, &verdict(2, 0), at(120)).unwrap();
        assert_eq!(time(&again, "Programmed"), "1970-01-01T00:01:00Z");
        assert_eq!(condition(&again, "Programmed")["observedGeneration"], 4);
    }

    #[test]
    fn what_others_say_in_the_status_stays() {
        let mut object = object(1);
        let theirs = json!({"type": "Synced", "status": "True"});
        object["status"] = json!({"phase": "x", "conditions": [theirs]});
        let object = with_conditions(&object, &verdict(1, 0), at(0)).unwrap();
        assert_eq!(object["status"]["phase"], "x");
        assert_eq!(condition(&object, "Synced"), &theirs);
        assert_eq!(object["status"]["conditions"].as_array().unwrap().len(), 3);
    }
}
