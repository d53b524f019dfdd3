-- What callers said after a tone: the recordings are at Twilio, and here is whose they are. `left_ms` is when we heard of
-- one. The call itself may be unknown: it was answered while this file was out of reach.

create table voicemails (
    recording text    not null primary key,
    call      text    not null,
    business  text    not null,
    left_ms   integer not null,
    document  text    not null
) strict;

create index voicemails_by_business on voicemails (business, left_ms);

create index voicemails_by_call on voicemails (call);
