use serde_json::{Map, Value};

use super::{AuthorizationError, ErrorCode};
use crate::{
    oauth::{clients::Client, id_token::ACR, userinfo::scope_of},
    types::{ScopeSet, UserId},
};

/// What of the `claims` parameter (OIDC Core §5.5) makes a difference here. Names that no claim of ours has are
/// passed over: they are voluntary, and whatever was in them goes no further.
#[derive(Default)]
pub(super) struct Claims {
    /// Wanted in the ID token.
    pub(super) id_token: Vec<String>,
    /// Give the claims that are wanted, wherever.
    scopes: ScopeSet,
    /// The person that is meant, by each member that names one.
    pub(super) subjects: Vec<UserId>,
}

impl Claims {
    pub(super) fn read(text: Option<&str>) -> Result<Self, AuthorizationError> {
        let Some(text) = text else {
            return Ok(Self::default());
        };
        let wrong = |description| AuthorizationError::new(ErrorCode::InvalidRequest, description);
        let not_an_object = || wrong("claims must be a JSON object (OIDC Core 5.5)");
        let Ok(Value::Object(claims)) = serde_json::from_str(text) else {
            return Err(not_an_object());
        };
        let members = |name: &str| match claims.get(name) {
            None => Ok(Map::new()),
            Some(Value::Object(members)) => Ok(members.clone()),
            Some(_) => Err(not_an_object()),
        };
        let (id_token, userinfo) = (members("id_token")?, members("userinfo")?);
        if id_token.get("acr").is_some_and(|acr| !is_met(acr)) {
            return Err(AuthorizationError::new(
                ErrorCode::UnmetAuthenticationRequirements,
                format!("the only acr of this server is {ACR}"),
            ));
        }
        let mut subjects = Vec::new();
        for wanted in [&id_token, &userinfo] {
            if let Some(subject) = wanted.get("sub").and_then(|sub| sub.get("value")) {
                let subject = subject.as_str().and_then(|subject| subject.parse().ok());
                subjects.push(subject.ok_or_else(|| wrong("claims names a sub that is not of this server"))?);
            }
        }
        Ok(Self {
            id_token: id_token
                .keys()
                .filter(|name| scope_of(name).is_some())
                .cloned()
                .collect(),
            scopes: id_token
                .keys()
                .chain(userinfo.keys())
                .filter_map(|name| scope_of(name)?.parse().ok())
                .collect(),
            subjects,
        })
    }

    /// The scopes to be asked for beside those that the request names.
    pub(super) fn scopes_beside(&self, named: &ScopeSet, client: &Client) -> ScopeSet {
        if named.contains("openid") {
            self.scopes
                .common_with(&client.registration.scopes)
                .without(named)
        } else {
            ScopeSet::default()
        }
    }
}

/// Whether an `acr` that is asked for can be had. One that is not essential is a wish (OIDC Core §5.5.1.1).
fn is_met(acr: &Value) -> bool {
    let values = match (acr.get("value"), acr.get("values")) {
        (Some(value), _) => std::slice::from_ref(value),
        (None, Some(Value::Array(values))) => values,
        (None, _) => return true,
    };
    acr.get("essential") != Some(&Value::Bool(true)) || values.iter().any(|value| value == ACR)
}

/// The one person that hint and claims mean: nobody is two.
pub(super) fn expected_subject(
    hinted: Option<UserId>,
    by_claims: &[UserId],
) -> Result<Option<UserId>, AuthorizationError> {
    let mut all = hinted.iter().chain(by_claims);
    let first = all.next().copied();
    if all.any(|other| Some(*other) != first) {
        return Err(AuthorizationError::new(
            ErrorCode::InvalidRequest,
            "id_token_hint and claims name different persons",
        ));
    }
    Ok(first)
}
