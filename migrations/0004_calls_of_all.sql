-- An operator looks at the calls of all businesses, the latest first.

create index calls_by_start on calls (started_ms desc, call desc) where business is not null;
