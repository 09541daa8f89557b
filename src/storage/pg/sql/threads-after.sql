-- Messages of threads in ledger order. Index: message_threads (leaf) where thread is not null.
select leaf, thread::text from message where thread is not null and leaf >= $1 order by leaf limit $2
