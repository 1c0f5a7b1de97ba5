//! The client matrix: programs of many client libraries run the same steps through the gateway, by the same
//! rules.
//!
//! | module | content |
//! |---|---|
//! | [`stage`] | a pair of clusters with mirror topics whose logs are full of filler |
//! | [`client`] | the clients (`tests/clients/interop/*/clients.json`), and how each is started |
//! | [`run`] | the run of one client: its output lines, and its fetches per second |
//! | [`judge`] | the expected output and effect of each step |
//! | [`table`] | the report |
//! | [`rust`] | the client that is no program: rdkafka, in this process |
//!
//! A program is started with `bootstrap=`, `name=` (prefix of its topics and groups), `steps=` (comma
//! separated), `mirrors=` (`TOPIC:RECORDS`, comma separated, one partition each) and `tail=` (ms). It prints
//! `{"version": …}` and one JSON line for each step, with the key `step` and either `error` (text), `na` (the
//! client does not support the step), or:
//!
//! | step | actions | keys of the line |
//! |---|---|---|
//! | `admin` | creates `NAME-admin` with 3 partitions, lists it, describes it, sets `retention.ms` to 123456789, reads it, deletes the topic | `listed`, `partitions`, `config`, `deleted`; null for what the client does not support |
//! | `produce` | writes 400 records `k0` → `v0`, with a header `n`, to `NAME-produce` (4 partitions), acks=all, idempotent if supported | `sent` |
//! | `group` | writes three parts of 120 records to `NAME-group` (4 partitions); a second member joins before the second part and leaves before the third, which waits until the first member has all partitions; each member commits what it has read before it reads on | `first`, `second`: `[partition, offset, value]` of each record that a member read |
//! | `transactions` | writes to `NAME-transactions` (1 partition) three transactions of 20 records; aborts the second one after all its records were acknowledged; then reads the topic with read_committed | `values` |
//! | `refused` | writes one record to the first mirror topic, plain and in a transaction | `write`, `transaction`, `abort`: `accepted` (or `ok` for an abort) or the error |
//! | `read` | reads all mirror topics, four times at once: `assign` and `assign-small` (read_committed), `group` and `group-small` (read_uncommitted, group `NAME-read-VARIANT`), with fetches of 1 MiB or 1 KiB; once all records are there it waits for `tail` ms between the lines `{"tail":"begin"}` and `{"tail":"end"}`, then commits its positions | `variants`: for each, `records` and `positions` by topic |
//! | `share` | runs the step `group` with share consumers, on `NAME-share` | see `group` |
//! | `share-read` | runs the step `read` with a share group in one variant, `share` | see `read` |

pub mod client;
pub mod judge;
pub mod run;
pub mod rust;
pub mod stage;
pub mod table;
