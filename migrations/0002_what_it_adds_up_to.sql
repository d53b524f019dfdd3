-- Calls are listed by business, streams are kept each by itself, and there are the months, the slots and the outbox.

-- Beside what was told for sure stands what is presumed: it holds while `ended_ms` is null. `metered` is what was counted
-- of this call into its month, and `told` whether its business was told that it is over.
alter table calls add column business text;
alter table calls add column started_ms integer;
alter table calls add column presumed_ms integer;
alter table calls add column metered text;
alter table calls add column told integer not null default 0;

-- A document that does not read stays out of the lists, and takes nothing with it.
update calls
set business = document ->> '$.business', started_ms = document ->> '$.startedMs'
where json_valid(document)
  and json_type(document, '$.business') = 'text'
  and json_type(document, '$.startedMs') = 'integer';

create index calls_by_business on calls (business, started_ms desc, call desc);

create index calls_not_metered on calls (call) where metered is null and document is not null;

-- How each stream ended, as it was told: the first word about an attempt.
create table streams (
    call     text    not null,
    attempt  integer not null,
    document text    not null,
    primary key (call, attempt)
) strict;

-- Until now a call knew one sum and one ending, that of its last stream.
insert into streams (call, attempt, document)
select call, max(attempts, 1), json_object(
    'attempt', max(attempts, 1),
    'instance', coalesce(instance, document ->> '$.instance', 'unknown'),
    'ending', json(ending),
    'usage', json(coalesce(usage, '{}')),
    'cost', 0,
    'atMs', coalesce(ended_ms, answered_ms, started_ms, 0)
)
from calls
where json_valid(ending) and json_valid(coalesce(usage, '{}')) and json_valid(coalesce(document, '{}'));

alter table calls drop column ending;
alter table calls drop column usage;

create table recordings (
    call     text    not null,
    attempt  integer not null,
    document text    not null,
    primary key (call, attempt)
) strict;

create table months (
    business text not null,
    month    text not null,
    document text not null,
    primary key (business, month)
) strict;

create table slots (
    business text    not null,
    call     text    not null,
    instance text    not null,
    until_ms integer not null,
    primary key (business, call)
) strict, without rowid;

create index slots_by_end on slots (until_ms);

-- `due_ms` is null unless it waits; `settled_ms` is when it was delivered or given up. What was delivered is kept for a
-- while, so that the same thing is not told again.
create table outbox (
    id         text    not null primary key,
    business   text    not null,
    about      text    not null,
    created_ms integer not null,
    state      text    not null check (state in ('waiting', 'given_up', 'delivered')),
    due_ms     integer,
    settled_ms integer,
    tries      integer not null,
    last_error text
) strict;

create index outbox_by_due on outbox (due_ms) where state = 'waiting';

create index outbox_by_business on outbox (business, created_ms desc, id desc) where state <> 'delivered';

create index outbox_by_settled on outbox (settled_ms) where state <> 'waiting';
