//! Voicemails in Firestore.

use super::ask::Patience;
use super::queries::Query;
use super::{Firestore, codec, queries};
use crate::domain::{BusinessId, CallSid, Notice, RecordingSid, Voicemail};
use crate::store::StoreError;

impl Firestore {
    pub(super) async fn put_voicemail(
        &self,
        voicemail: &Voicemail,
        notice: Option<&Notice>,
    ) -> Result<(), StoreError> {
        const DOING: &str = "keep a voicemail";
        let name = self.voicemail_name(&voicemail.recording)?;
        self.keep_once(DOING, name, codec::fields(voicemail, DOING)?, notice).await
    }

    pub(super) async fn one_voicemail(
        &self,
        business: &BusinessId,
        recording: &RecordingSid,
    ) -> Result<Option<Voicemail>, StoreError> {
        let Ok(name) = self.voicemail_name(recording) else { return Ok(None) };
        let stored = self.get_one("look up a voicemail", Patience::Lookup, name).await?;
        let found: Option<Voicemail> = stored.map(|stored| self.read(stored)).transpose()?;
        Ok(found.filter(|voicemail| voicemail.business == *business))
    }

    pub(super) async fn voicemails_for(&self, business: &BusinessId) -> Result<Vec<Voicemail>, StoreError> {
        self.listed_voicemails("list the voicemails of a business", queries::voicemails_for(business)).await
    }

    pub(super) async fn voicemails_of(&self, call: &CallSid) -> Result<Vec<Voicemail>, StoreError> {
        self.listed_voicemails("look up the voicemails of a call", queries::voicemails_in(call)).await
    }

    async fn listed_voicemails(
        &self,
        doing: &'static str,
        query: Query,
    ) -> Result<Vec<Voicemail>, StoreError> {
        let found = self.find(doing, Patience::List, query).await?;
        let voicemails = found.into_iter().map(|stored| self.read(stored));
        let mut voicemails = voicemails.collect::<Result<Vec<Voicemail>, _>>()?;
        voicemails.sort_by(|one, next| {
            let key = |voicemail: &Voicemail| (voicemail.left_ms, voicemail.recording.clone());
            key(one).cmp(&key(next))
        });
        Ok(voicemails)
    }

    fn voicemail_name(&self, recording: &RecordingSid) -> Result<String, StoreError> {
        self.names().document("voicemails", recording.as_str())
    }
}
