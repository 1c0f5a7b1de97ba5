//! Runs one hot path a given number of times, to count its instructions: `hot_path NAME TIMES`. Without
//! arguments it lists the paths.

#[path = "../benches/paths/mod.rs"]
mod paths;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        paths::all().iter().for_each(|path| println!("{} {}", path.name, path.bytes));
        return;
    };
    let times: u32 = arguments.next().and_then(|times| times.parse().ok()).expect("hot_path NAME TIMES");
    let all = paths::all();
    let path =
        all.iter().find(|path| path.name == name).expect("there is no such path; call without arguments");
    (0..times).for_each(|_| (path.run)());
}
