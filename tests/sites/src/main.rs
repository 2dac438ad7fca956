//! A program with 10,000 log statements: `ringlog-test-sites RING FIRST COUNT ROUNDS`.
//!
//! Waits as the helper process does, then logs `COUNT` of its statements, from number `FIRST` on, `ROUNDS` times;
//! each logs the process's id. Prints how many that were.

include!(concat!(env!("OUT_DIR"), "/sites.rs"));

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, numbers @ ..] = &arguments[..] else { panic!("expected RING FIRST COUNT ROUNDS") };
    let [first, count, rounds] = numbers.iter().map(|n| n.parse().unwrap()).collect::<Vec<usize>>()[..]
    else {
        panic!("expected RING FIRST COUNT ROUNDS")
    };
    let ring = ringlog::Ring::open(name).unwrap();
    ringlog::set_default(ring.logger(), ringlog::Filter::default()).unwrap();
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let chosen = SITES.iter().cycle().skip(first).take(count);
    let pid = u64::from(std::process::id());
    (0..rounds).for_each(|_| chosen.clone().for_each(|site| site(pid)));
    println!("{}", count * rounds);
}
