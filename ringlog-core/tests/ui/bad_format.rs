fn main() {
    ringlog::info!("{");
    ringlog::info!("{} {}", 1);
    ringlog::info!("{:y}", 1);
    ringlog::info!("{1}", 1, 2);
    ringlog::info!("{missing}");
}
