//! The yardstick of bench/: what filters/fault and filters/connection-limit do on their hot paths, on the Rust SDK.
#[cfg(feature = "connection-limit")]
mod connection_limit;
#[cfg(feature = "fault")]
mod fault;

proxy_wasm::main! {{
    #[cfg(feature = "fault")]
    proxy_wasm::set_root_context(|_| Box::<fault::Root>::default());
    #[cfg(feature = "connection-limit")]
    proxy_wasm::set_root_context(|_| Box::<connection_limit::Root>::default());
}}
