//! The pages of developers and operators, and what each needs to know.
//!
//! Paths: `/apps`, `/apps/new`, `/apps/{app}` (`POST`: `name`), `/apps/{app}/delete`, `/apps/{app}/clients/new`,
//! `/apps/{app}/clients/{client}` (`POST`: the settings), and below it `/logo` (multipart: `csrf_token`, `logo`),
//! `/logo/remove`, `/secrets` (`expire_in`), `/secrets/revoke` (`id`), `/disable`, `/enable`, `/operator`, `/shut-out`, `/let-in`, `/delete`
//! (`name`); `/apps/{app}/usage?span=…&key=…`, `/apps/{app}/usage.csv`;
//! `/apps/{app}/policy`, `/apps/{app}/keys/new`, `/apps/{app}/keys/former`, `/apps/{app}/keys/{key}` (`POST`: the settings), and
//! below it `/rotate` (`overlap`), `/retire` (`force`), `/regenerate`, `/revoke`; `/default-key`;
//! `/apps/{app}/webhooks`, `/apps/{app}/webhooks/new` and `/apps/{app}/webhooks/{endpoint}/edit` (`POST`: `url`, `description`,
//! `event`), `/apps/{app}/webhooks/{endpoint}`, and below it `/deliveries/{delivery}`, `/secrets` (`overlap`), `/test`, `/redeliver`
//! (`delivery`), `/on`, `/off`, `/delete`;
//! `/accounts/new` (`POST`: `name`), `/accounts/{account}` (`POST`: `name`), and below it `/invite` (`email`, `role`), `/resend` and
//! `/withdraw` (`id`), `/role` (`member`, `role`), `/remove` and `/hand-over` (`member`), `/leave`, `/close`;
//! `/invitations/accept?token=…`;
//! `/operator/clients?q=…`, `/operator/scopes`, `/operator/scopes/new`, `/operator/scopes/edit?name=…`, `/operator/scopes/remove` (`name`).

mod accounts;
mod all_clients;
mod apps;
mod client_form;
mod clients;
mod key_acts;
mod key_form;
mod keys;
mod leaks;
mod scopes;
mod usage;
mod webhooks;

pub use accounts::{AccountPage, InvitedRow, Join, JoinStep, MemberRow, NewTeam, what_it_may};
pub use all_clients::{AllClients, FoundClient};
pub use apps::{AccountApps, AppPage, AppRow, ClientRow, DeleteConfirm, Home, KeysOfApp, NewApp};
pub use client_form::{ClientForm, ClientKind, ScopeChoice};
pub use clients::{
    AppRef, ClientPage, Endpoint, NewClient, OperatorFlags, RequestRow, SecretRow, SecretShown,
};
pub use key_acts::{FormerKeys, KeyQuestion, KeyShown};
pub use key_form::{KeyForm, KeyScopeChoice, NewKey, PolicyPage};
pub use keys::{KeyPage, KeyRow, KeySettings, RotatedKey, Rotation, ScopeTag, Tag, Tombstone};
pub use leaks::LeakRow;
pub use scopes::{Audience, ScopeForm, ScopeRow, Scopes};
pub use usage::{KeyRequestRow, LAYERS, OneKey, ROTATION, ShareRow, Tab, UsagePage};
pub use webhooks::{
    AttemptRow, DeliveryRow, State, WebhookDelivery, WebhookForm, WebhookPage, WebhookRow, WebhookSecretRow,
    WebhookSecretShown, Webhooks,
};
