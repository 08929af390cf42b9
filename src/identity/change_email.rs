//! A change of address: in force when the address that is left and the new one have both confirmed it.

use diesel_async::AsyncPgConnection;
use secrecy::SecretString;

use super::{
    Identity,
    change::ChangeError,
    http::SignedIn,
    letters,
    model::{EmailChange, LinkPurpose},
    store,
    throttle::{Delayed, Subject},
    verify_email::LinkError,
};
use crate::{
    accounts,
    audit::Action,
    crypto::Token,
    types::{ClientContext, Email, Fault, UserId},
};

/// How far a change has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The other address has yet to confirm.
    Half,
    Done,
}

const CONFIRMATIONS: [LinkPurpose; 2] = [LinkPurpose::ConfirmOldEmail, LinkPurpose::ConfirmNewEmail];

impl Identity {
    /// Asks for another address, in place of an earlier change that is still under way. An address that was
    /// never verified has no say: nobody has shown that it is theirs, and it may be a slip of the finger.
    ///
    /// # Errors
    ///
    /// [`ChangeError`].
    pub async fn ask_for_email_change(
        &self,
        signed_in: &SignedIn,
        new_email: &str,
        password: SecretString,
        context: &ClientContext,
    ) -> Result<EmailChange, ChangeError> {
        let user = &signed_in.user;
        let bad = |text: &str| ChangeError::BadValue(text.to_owned());
        let new_email: Email = new_email.parse().map_err(|error| bad(&format!("{error}")))?;
        if new_email.key() == user.email.key() {
            return Err(bad("That is your address already."));
        }
        let own = self.prove_again(user, password, context).await?;
        // Its owner did not ask for our mail: whoever asks does not get to send much of it.
        self.begin_try(&[Subject::MailTo(new_email.as_str())])
            .await?
            .map_err(|Delayed(wait)| ChangeError::Delayed(wait))?;
        let tried = self
            .begin_try(&[Subject::Probe(context.address)])
            .await?
            .map_err(|Delayed(wait)| ChangeError::Delayed(wait))?;
        let now = self.clock.now();
        let mut transaction = self.db.begin().await?;
        if store::is_email_taken(&mut transaction, &new_email).await? {
            return Err(bad("There is an account with this address."));
        }
        let change = EmailChange {
            new_email,
            old_confirmed: !user.email_verified,
            new_confirmed: false,
            expires_at: now + self.link_lifetime(LinkPurpose::ConfirmNewEmail),
        };
        store::delete_links(&mut transaction, user.id, &CONFIRMATIONS).await?;
        store::begin_email_change(&mut transaction, user.id, &change, now).await?;
        let good_for = self.link_lifetime(LinkPurpose::ConfirmNewEmail);
        let mut mails = Vec::new();
        if user.email_verified {
            let link = self
                .make_link(
                    &mut transaction,
                    LinkPurpose::ConfirmOldEmail,
                    Some(user.id),
                    Some(&change.new_email),
                )
                .await?;
            mails.push(letters::confirm_old_email(
                user,
                &change.new_email,
                &link,
                good_for,
            ));
        }
        let link = self
            .make_link(
                &mut transaction,
                LinkPurpose::ConfirmNewEmail,
                Some(user.id),
                Some(&change.new_email),
            )
            .await?;
        mails.push(letters::confirm_new_email(
            user,
            &change.new_email,
            &link,
            good_for,
        ));
        self.own_act(user.id, own.account_id, Action::EmailChangeRequested, context)
            .write(&mut transaction)
            .await?;
        transaction.commit().await?;
        self.withdraw_try(&tried).await?;
        for mail in mails {
            self.mailer.send(mail);
        }
        Ok(change)
    }

    /// Confirms a change from one of both addresses; with the second one, it is made. The new address confirms only in
    /// a browser in which its person is `signed_in`, as in [`Identity::verify_email`].
    ///
    /// # Errors
    ///
    /// [`LinkError`]; [`LinkError::BadLink`] too if somebody has taken the address meanwhile.
    pub async fn confirm_email_change(
        &self,
        purpose: LinkPurpose,
        token: &Token,
        signed_in: Option<UserId>,
        context: &ClientContext,
    ) -> Result<Progress, LinkError> {
        let now = self.clock.now();
        let mut transaction = self.db.begin().await?;
        let link = store::consume_link(&mut transaction, purpose, &token.digest(), now)
            .await?
            .ok_or(LinkError::BadLink)?;
        let (Some(id), Some(new_email)) = (link.user_id, link.email) else {
            return Err(Fault::internal("a link to change an address without person or address").into());
        };
        let from_new = purpose == LinkPurpose::ConfirmNewEmail;
        if from_new && signed_in != Some(id) {
            return Err(LinkError::BadLink);
        }
        let change = store::confirm_email_change(&mut transaction, id, &new_email, from_new, now)
            .await?
            .ok_or(LinkError::BadLink)?;
        if !(change.old_confirmed && change.new_confirmed) {
            transaction.commit().await?;
            return Ok(Progress::Half);
        }
        let user = store::user(&transaction, id).await?.ok_or(LinkError::BadLink)?;
        if !store::set_email(&mut transaction, id, &new_email, now).await? {
            return Err(LinkError::BadLink);
        }
        store::delete_email_change(&mut transaction, id).await?;
        // Links that were sent to the address that is left must not outlive it.
        let void = [
            LinkPurpose::ConfirmOldEmail,
            LinkPurpose::ConfirmNewEmail,
            LinkPurpose::ResetPassword,
            LinkPurpose::VerifyEmail,
        ];
        store::delete_links(&mut transaction, id, &void).await?;
        let account = accounts::personal_account_of(&mut transaction, id).await?;
        self.own_act(id, account, Action::EmailChanged, context)
            .write(&mut transaction)
            .await?;
        transaction.commit().await?;
        if user.email_verified {
            self.mailer
                .send(letters::email_changed(&user.name, &user.email, &new_email));
        }
        Ok(Progress::Done)
    }

    /// Drops a change that is under way.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn cancel_email_change(&self, user: UserId, context: &ClientContext) -> Result<(), Fault> {
        let mut transaction = self.db.begin().await?;
        self.drop_email_change(&mut transaction, user, context).await?;
        transaction.commit().await
    }

    /// The same in the caller's transaction.
    pub(super) async fn drop_email_change(
        &self,
        connection: &mut AsyncPgConnection,
        user: UserId,
        context: &ClientContext,
    ) -> Result<(), Fault> {
        store::delete_links(connection, user, &CONFIRMATIONS).await?;
        if !store::delete_email_change(connection, user).await? {
            return Ok(());
        }
        let account = accounts::personal_account_of(connection, user).await?;
        self.own_act(user, account, Action::EmailChangeCancelled, context)
            .write(connection)
            .await
    }

    /// The change that is under way, if any is.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn email_change(&self, user: UserId) -> Result<Option<EmailChange>, Fault> {
        let mut connection = self.db.connection().await?;
        store::email_change(&mut connection, user, self.clock.now()).await
    }
}
