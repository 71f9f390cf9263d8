//! From "Envoy rejects this" to "Envoy rejects these two objects".
//!
//! It knows only how to ask again with fewer EnvoyFilters (delta debugging). What is wrong with the
//! ones that remain is Envoy's message to say.

use std::fmt;

use serde_json::Value;

use crate::envoy::{Envoy, Rejection};
use crate::render::{RenderError, Rendered, Renderer};

/// A rejection and a smallest set of EnvoyFilters that brings it about.
///
/// The set is minimal: without any one of its members Envoy accepts the rest of it.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Positions of the culprits in the slice that was given.
    pub culprits: Vec<usize>,
    /// `namespace/name` of the culprits, in the same order.
    pub names: Vec<String>,
    /// What Envoy says about the culprits alone.
    pub rejection: Rejection,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Envoy rejects {}: {}",
            self.names.join(" with "),
            self.rejection
        )
    }
}

impl std::error::Error for Explanation {}

/// What loading a set of EnvoyFilters came to.
#[derive(Debug)]
pub enum Outcome {
    /// Envoy accepts every bootstrap. What was rendered says whether all of it was put to the test.
    Accepted(Rendered),
    /// Envoy rejects one of the bootstraps.
    Rejected(Explanation),
}

/// Loads what `filters` make of a mesh's sidecars into `envoy`, and on a rejection finds a smallest
/// set of them that is rejected by itself.
pub fn explain(
    envoy: &Envoy,
    renderer: &Renderer,
    filters: &[Value],
) -> Result<Outcome, RenderError> {
    let rendered = renderer.render(filters)?;
    let Some(first) = first_rejection(envoy, &rendered) else {
        return Ok(Outcome::Accepted(rendered));
    };
    let mut search = Search {
        envoy,
        renderer,
        filters,
        last: first,
    };
    let culprits = search.shrink((0..filters.len()).collect())?;
    let names = culprits
        .iter()
        .map(|&index| name(&filters[index]))
        .collect();
    Ok(Outcome::Rejected(Explanation {
        culprits,
        names,
        rejection: search.last,
    }))
}

fn first_rejection(envoy: &Envoy, rendered: &Rendered) -> Option<Rejection> {
    rendered
        .bootstraps
        .iter()
        .find_map(|bootstrap| envoy.validate(bootstrap).err())
}

fn name(filter: &Value) -> String {
    let field = |key| filter["metadata"][key].as_str().unwrap_or("?");
    format!("{}/{}", field("namespace"), field("name"))
}

struct Search<'a> {
    envoy: &'a Envoy,
    renderer: &'a Renderer,
    filters: &'a [Value],
    last: Rejection,
}

impl Search<'_> {
    /// Takes ever smaller pieces away for as long as Envoy keeps rejecting what is left.
    fn shrink(&mut self, mut suspects: Vec<usize>) -> Result<Vec<usize>, RenderError> {
        let mut piece = suspects.len().div_ceil(2);
        while piece > 0 && suspects.len() > 1 {
            match self.without_one_piece(&suspects, piece)? {
                Some(fewer) => {
                    suspects = fewer;
                    piece = piece.min(suspects.len().div_ceil(2));
                }
                None if piece == 1 => break,
                None => piece = piece.div_ceil(2),
            }
        }
        Ok(suspects)
    }

    fn without_one_piece(
        &mut self,
        suspects: &[usize],
        piece: usize,
    ) -> Result<Option<Vec<usize>>, RenderError> {
        for start in (0..suspects.len()).step_by(piece) {
            let end = (start + piece).min(suspects.len());
            let rest = [&suspects[..start], &suspects[end..]].concat();
            if !rest.is_empty() && self.rejects(&rest)? {
                return Ok(Some(rest));
            }
        }
        Ok(None)
    }

    fn rejects(&mut self, subset: &[usize]) -> Result<bool, RenderError> {
        let filters: Vec<Value> = subset
            .iter()
            .map(|&index| self.filters[index].clone())
            .collect();
        let rejection = first_rejection(self.envoy, &self.renderer.render(&filters)?);
        let rejects = rejection.is_some();
        if let Some(rejection) = rejection {
            self.last = rejection;
        }
        Ok(rejects)
    }
}
