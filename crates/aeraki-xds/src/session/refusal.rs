//! What istiod and people are told of resources that cannot be used.

use std::fmt::Write as _;

use aeraki_api::discovery::Status;
use aeraki_core::diagnostic::{Diagnostic, catalogue};
use aeraki_core::object::{Kind, ObjectKey};

use super::set::{Set, Standing};

/// Stands for an answer as a whole, where no object can be named.
const ANSWER: Kind = Kind::new("", "Answer");

/// gRPC's number for an argument that is wrong.
const INVALID_ARGUMENT: i32 = 3;

/// How many resources a refusal names: istiod only logs it.
const NAMED: usize = 10;

/// Why the last answer of a set is refused; `None` if it is not.
pub(super) fn status(set: &Set) -> Option<Status> {
    let nameless = match &set.standing {
        Standing::Torn(nameless) => nameless.as_slice(),
        Standing::Unanswered | Standing::Whole => &[],
    };
    let mut message = String::new();
    let mut count = 0;
    let named = set
        .flawed()
        .map(|(key, flaw)| format!("{}/{}: {flaw}", key.namespace, key.name));
    let unnamed = nameless
        .iter()
        .map(|which| format!("{which}: it cannot be told which object this is"));
    for refusal in named.chain(unnamed) {
        if count < NAMED {
            let separator = if count == 0 { "" } else { "; " };
            let _infallible = write!(message, "{separator}{refusal}");
        }
        count += 1;
    }
    if count > NAMED {
        let _infallible = write!(message, "; and {} more", count - NAMED);
    }
    (count > 0).then_some(Status {
        code: INVALID_ARGUMENT,
        message,
        details: Vec::new(),
    })
}

/// All that is wrong with the last answer of a set. `is_held` tells whether an object has been readable before.
pub(super) fn problems<'a>(
    set: &'a Set,
    is_held: impl Fn(&ObjectKey) -> bool + 'a,
) -> impl Iterator<Item = Diagnostic> + 'a {
    let named = set.flawed().map(move |(key, flaw)| {
        let outcome = if is_held(key) {
            "it stays as it was last read"
        } else {
            "it is not used, and what it may bear on stays as it is"
        };
        let message = format!("istiod sent it in a form that cannot be read: {flaw}; {outcome}");
        Diagnostic::new(&catalogue::UNREADABLE_RESOURCE, key, message)
    });
    named.chain(torn(set))
}

fn torn(set: &Set) -> Option<Diagnostic> {
    let Standing::Torn(nameless) = &set.standing else {
        return None;
    };
    let url = set.collection.type_url;
    let which = match nameless.as_slice() {
        [one] => format!("{one} is damaged"),
        many => format!("{} resources are damaged", many.len()),
    };
    let message = format!(
        "{which}, so that it cannot be told which object is meant; until an answer comes whole, no filter is changed or deleted"
    );
    let answer = ObjectKey::new(ANSWER, "istiod", url);
    Some(Diagnostic::new(&catalogue::TORN_ANSWER, &answer, message))
}
