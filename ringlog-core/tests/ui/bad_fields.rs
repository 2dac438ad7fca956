fn main() {
    let (side, order) = (1, 2);
    ringlog::info!("{side}", side = side, side = order);
    ringlog::info!("{side}", side = %order);
    ringlog::info!("filled", target: "orders");
    ringlog::info!(target: "orders", "filled");
    ringlog::info!(logger: "orders", logger: "again", "filled");
}
