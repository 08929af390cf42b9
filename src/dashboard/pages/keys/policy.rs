//! What all keys of an app may do at the most.

use actix_web::{HttpResponse, http::StatusCode};
use diesel_async::AsyncPgConnection;

use super::{
    super::{
        act::{AppAct, AppView, AtApp, ToGovernKeys},
        views::{KeyScopeChoice, PolicyPage, Tag},
    },
    form::{lines, networks, of_lines},
    new::environments,
    refused, words,
};
use crate::{
    accounts,
    keys::{AppPolicy, KeyError},
    scopes::{Audience, Catalogue, Entry, catalogue},
    types::{Environment, Scope, ScopeSet},
    web::{
        Failure, News, Parameters, html, html_with,
        page::{Choice, Field, Notice},
    },
};

/// They are for people who sign in, and say nothing of a key.
const OF_SIGN_IN: [&str; 4] = ["openid", "profile", "email", "offline_access"];

const OVERTAKEN: &str = "Somebody changed this while the page was open, so nothing was saved. Below is what you typed: saved again, it takes the place of what they saved. Open the page anew to see that first.";

fn is_prefix(scope: &str) -> bool {
    scope.ends_with(":*")
}

/// What the form is made from.
struct Ground {
    policy: AppPolicy,
    catalogue: Catalogue,
    legacy: ScopeSet,
}

impl Ground {
    async fn of(at: &AtApp, connection: &mut AsyncPgConnection) -> Result<Self, Failure> {
        Ok(Self {
            policy: at
                .keys
                .policy_in(connection, at.seen.app.id, at.asker())
                .await
                .map_err(refused)?,
            catalogue: catalogue(connection).await?,
            legacy: words::all_legacy(&at.keys),
        })
    }

    /// Whether only operators grant it.
    fn is_reserved(&self, entry: &Entry) -> bool {
        entry.audience == Audience::FirstParty || self.legacy.contains(entry.scope.as_str())
    }

    /// The scopes that the visitor may grant, and those that the app has.
    fn choices(&self, operator: bool, chosen: impl Fn(&str) -> bool) -> Vec<KeyScopeChoice> {
        let has = |name: &str| self.policy.scopes.contains(name);
        let offered = |entry: &&Entry| {
            let name = entry.scope.as_str();
            has(name) || (!OF_SIGN_IN.contains(&name) && (operator || !self.is_reserved(entry)))
        };
        let choice = |entry: &Entry| {
            let name = entry.scope.to_string();
            let mut marks = words::marks(&name, &self.legacy);
            if self.is_reserved(entry) {
                marks.push(Tag::new("Operators grant it", "warning"));
            }
            if entry.publishable {
                marks.push(Tag::new("Publishable", "info"));
            }
            KeyScopeChoice {
                description: words::meaning(&name, &self.catalogue, &self.legacy),
                chosen: chosen(&name),
                marks,
                name,
            }
        };
        self.catalogue.0.iter().filter(offered).map(choice).collect()
    }

    fn page(&self, at: &AtApp) -> Result<PolicyPage, Failure> {
        let policy = &self.policy;
        let operator = at.seen.operator;
        let tiers = &at.keys.config.keys.tiers;
        // One that is gone from the configuration stays, as long as nobody chooses another.
        let gone = Some(policy.tier.as_str()).filter(|name| !tiers.has(name));
        let prefixes: Vec<&str> = policy
            .scopes
            .iter()
            .map(Scope::as_str)
            .filter(|scope| is_prefix(scope))
            .collect();
        let reserved = self.catalogue.0.iter().filter(|entry| {
            !operator && self.is_reserved(entry) && !policy.scopes.contains(entry.scope.as_str())
        });
        Ok(PolicyPage {
            frame: at.visitor.frame()?,
            app: at.seen.app_ref(),
            version: policy.version(),
            environments: environments(&Environment::ALL, |one| policy.environments.contains(&one)),
            environments_error: None,
            scopes: self.choices(operator, |name| policy.scopes.contains(name)),
            scopes_error: None,
            prefixes: Field::of(prefixes.join("\n")),
            reserved: reserved.map(|entry| entry.scope.to_string()).collect(),
            networks: Field::of(lines(&policy.networks)),
            tier: words::tier(&policy.tier, tiers),
            tiers: if operator {
                gone.into_iter()
                    .chain(tiers.names())
                    .map(|name| Choice::new(name, words::tier(name, tiers), name == policy.tier))
                    .collect()
            } else {
                Vec::new()
            },
            tier_error: None,
        })
    }

    /// As it was typed.
    fn typed(&self, at: &AtApp, form: &Parameters) -> Result<PolicyPage, Failure> {
        let mut page = self.page(at)?;
        page.environments = environments(&Environment::ALL, |one| {
            form.all("environment").any(|typed| typed == one.name())
        });
        page.scopes = self.choices(at.seen.operator, |name| {
            form.all("scope").any(|typed| typed == name)
        });
        page.prefixes = Field::of(form.text("prefixes"));
        page.networks = Field::of(form.text("networks"));
        for choice in &mut page.tiers {
            choice.chosen = choice.value == form.text("tier");
        }
        Ok(page)
    }
}

/// `/apps/{app}/policy`
pub(in super::super) async fn ask(view: AppView<ToGovernKeys>) -> Result<HttpResponse, Failure> {
    let ground = Ground::of(&view, &mut *view.keys.db.connection().await?).await?;
    html(&ground.page(&view)?)
}

/// What was typed; what is wrong with it is marked on the page.
fn read(form: &Parameters, page: &mut PolicyPage) -> Option<AppPolicyTyped> {
    let named: Vec<Environment> = form
        .all("environment")
        .filter_map(|name| name.parse().ok())
        .collect();
    if named.is_empty() {
        page.environments_error = Some("Choose live, test, or both.".to_owned());
    }
    let ticked = form.all("scope").map(str::parse).collect::<Result<ScopeSet, _>>();
    if ticked.is_err() {
        page.scopes_error = Some("Choose from these.".to_owned());
    }
    let prefixes = of_lines(&mut page.prefixes, |line| match line.parse::<Scope>() {
        Ok(scope) if is_prefix(line) => Ok(scope),
        Ok(_) | Err(_) => Err("a prefix ends with :*, such as read:*".to_owned()),
    });
    let networks = networks(&mut page.networks);
    let sound = !named.is_empty() && page.prefixes.error.is_none() && page.networks.error.is_none();
    match ticked {
        Ok(ticked) if sound => Some(AppPolicyTyped {
            environments: named,
            scopes: ticked.union(&prefixes.into_iter().collect()),
            networks,
            tier: Some(form.text("tier").to_owned()).filter(|tier| !tier.is_empty()),
        }),
        Ok(_) | Err(_) => None,
    }
}

struct AppPolicyTyped {
    environments: Vec<Environment>,
    scopes: ScopeSet,
    networks: Vec<ipnet::IpNet>,
    /// Where it was in the form.
    tier: Option<String>,
}

/// `POST /apps/{app}/policy`
pub(in super::super) async fn change(act: AppAct<ToGovernKeys>) -> Result<HttpResponse, Failure> {
    let app = act.seen.app.id;
    let mut transaction = act.keys.db.begin().await?;
    // Held, so that it stays what the visitor saw until the change of it is in force.
    accounts::lock_app(&mut transaction, app).await?;
    let ground = Ground::of(&act, &mut transaction).await?;
    let mut page = ground.typed(&act, &act.form)?;
    let version = act.form.text("version");
    if !version.is_empty() && version != ground.policy.version() {
        page.frame.notice = Some(Notice::danger(OVERTAKEN));
        return html_with(StatusCode::CONFLICT, &page);
    }
    let Some(typed) = read(&act.form, &mut page) else {
        return html_with(StatusCode::BAD_REQUEST, &page);
    };
    let change = |policy: &mut AppPolicy| {
        policy.environments = typed.environments;
        policy.scopes = typed.scopes;
        policy.networks = typed.networks;
        if let Some(tier) = typed.tier {
            policy.tier = tier;
        }
    };
    match act
        .keys
        .change_policy_within(transaction, app, change, act.asker())
        .await
    {
        Ok(_) => Ok(News::PolicySaved.on(&act.seen.path())),
        Err(KeyError::Unsound { field, problem }) => {
            let words = words::sentence(&problem);
            match field {
                "environments" => page.environments_error = Some(words),
                "scopes" => page.scopes_error = Some(words),
                "tier" => page.tier_error = Some(words),
                "allowed_ips" => page.networks.error = Some(words),
                _ => return Err(Failure::BadRequest(words)),
            }
            html_with(StatusCode::BAD_REQUEST, &page)
        }
        Err(error) => Err(refused(error)),
    }
}
