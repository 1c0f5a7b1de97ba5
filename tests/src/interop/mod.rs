//! The client matrix: programs of many client libraries run the same steps through the gateway, and are judged alike.
//!
//! | module | what it owns |
//! |---|---|
//! | [`stage`] | a pair with mirror topics whose logs are full of filler |
//! | [`client`] | which clients there are (`tests/clients/interop/*/clients.json`), and how each is started |
//! | [`run`] | one client's run: its lines, and fetches per second meanwhile |
//! | [`judge`] | what each step must have said and done |
//! | [`table`] | the report |
//! | [`rust`] | the client that is no program: rdkafka, in this process |
//!
//! A program is started with `bootstrap=`, `name=` (prefix of its topics and groups), `steps=` (comma separated), `mirrors=`
//! (`TOPIC:RECORDS`, comma separated, one partition each) and `tail=` (ms). It prints `{"version": …}` and one JSON line for
//! each step, with the key `step` and either `error` (text), `na` (the client has no such thing), or:
//!
//! | step | what it does | what it says |
//! |---|---|---|
//! | `admin` | creates `NAME-admin` with 3 partitions, lists it, describes it, sets `retention.ms` to 123456789, reads it, deletes the topic | `listed`, `partitions`, `config`, `deleted`; null for what it does not have |
//! | `produce` | 400 records `k0` → `v0`, with a header `n`, to `NAME-produce` (4 partitions), acks=all, idempotent where it can | `sent` |
//! | `group` | three parts of 120 records to `NAME-group` (4 partitions); a second member joins before the second part and leaves before the third, which waits for the first one to have all partitions; each commits what it has read before it reads on | `first`, `second`: `[partition, offset, value]` of each record that a member read |
//! | `transactions` | to `NAME-transactions` (1 partition) three transactions of 20 records, of which the second is aborted after all were acknowledged; then reads the topic with read_committed | `values` |
//! | `refused` | one record to the first mirror topic, plain and in a transaction | `write`, `transaction`, `abort`: `accepted` or the error |
//! | `read` | reads all mirror topics, four times at once: `assign` and `assign-small` (read_committed), `group` and `group-small` (read_uncommitted, group `NAME-read-VARIANT`), with fetches of 1 MiB or 1 KiB; when all records are there it stays for `tail` ms between the lines `{"tail":"begin"}` and `{"tail":"end"}`, then commits its positions | `variants`: for each, `records` and `positions` by topic |
//! | `share` | as `group` with share consumers, `NAME-share` | as `group` |
//! | `share-read` | as `read` with a share group in one variant, `share` | as `read` |

pub mod client;
pub mod judge;
pub mod run;
pub mod rust;
pub mod stage;
pub mod table;
