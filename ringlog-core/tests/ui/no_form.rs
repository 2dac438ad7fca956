struct Order;

fn main() {
    let order = Order;
    ringlog::info!("filled", order);
    ringlog::info!("filled", by = Order);
}
