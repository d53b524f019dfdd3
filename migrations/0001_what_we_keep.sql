-- Documents are JSON with the field names of the import file. Beside a document stand only the columns one searches,
-- orders or changes by.

create table plans (
    id       text not null primary key,
    document text not null
) strict;

create table businesses (
    id       text not null primary key,
    plan     text not null references plans (id),
    document text not null
) strict;

create table lines (
    line     text not null primary key,
    business text not null references businesses (id) on delete cascade
) strict, without rowid;

create index lines_by_business on lines (business);

-- What is told of a call may come before the call itself is opened: its document is null until then. The document is
-- the record as it was opened; the columns beside it are what became of it.
create table calls (
    call        text    not null primary key,
    document    text,
    answered_ms integer,
    ended_ms    integer,
    attempts    integer not null default 0,
    instance    text,
    ending      text,
    intention   text,
    usage       text
) strict;

create table attempts (
    call     text    not null,
    attempt  integer not null,
    instance text    not null,
    primary key (call, attempt)
) strict, without rowid;

create table turns (
    call     text    not null,
    attempt  integer not null,
    number   integer not null,
    began_ms integer not null,
    document text    not null,
    primary key (call, attempt, number)
) strict;

create table messages (
    call      text    not null,
    tool_call text    not null,
    business  text    not null,
    taken_ms  integer not null,
    document  text    not null,
    primary key (call, tool_call)
) strict;

create index messages_by_business on messages (business, taken_ms);
