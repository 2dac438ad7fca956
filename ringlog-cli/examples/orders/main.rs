//! README's first program, line by line. The sessions in the documents run it.

include!("orders.rs");
