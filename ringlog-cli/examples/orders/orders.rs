use ringlog::{error, info};

fn main() {
    ringlog::init(); // into the ring of `ringlog run`, or to standard error
    let (id, price, venue) = (7, 9.5, "XETR");
    info!("order {id} filled at {price:.2}", venue); // `venue` is a field beside the message
    if let Err(error) = std::fs::read("/no/such/file") {
        error!("no prices for {venue}", error); // with all of its causes
    }
}
