fn main() {
    let text = String::new();
    ringlog::info!();
    ringlog::info!(format!("built {text}"));
    ringlog::info!("built", 1 + 1);
    ringlog::info!("built", %text.len());
    ringlog::log!("no level");
}
