//! So many connections at one time, counted over all workers in shared data by compare and swap. No leases: the least that counts exactly.
use proxy_wasm::traits::{Context, RootContext, StreamContext};
use proxy_wasm::types::{Action, ContextType};

const KEY: &str = "connections";
const LIMIT: u64 = 1_000_000;

#[derive(Default)]
pub struct Root;
impl Context for Root {}
impl RootContext for Root {
    fn create_stream_context(&self, _: u32) -> Option<Box<dyn StreamContext>> {
        Some(Box::new(Connection { admitted: false }))
    }
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::StreamContext)
    }
}

struct Connection {
    admitted: bool,
}
impl Connection {
    fn add(&self, change: i64) -> bool {
        loop {
            let (bytes, cas) = self.get_shared_data(KEY);
            let count = bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
            if change > 0 && count >= LIMIT {
                return false;
            }
            let next = count.wrapping_add_signed(change);
            if self.set_shared_data(KEY, Some(&next.to_le_bytes()), cas).is_ok() {
                return true;
            }
        }
    }
}
impl Context for Connection {}
impl StreamContext for Connection {
    fn on_new_connection(&mut self) -> Action {
        self.admitted = self.add(1);
        if self.admitted {
            return Action::Continue;
        }
        self.close_downstream();
        Action::Pause
    }
}
impl Drop for Connection {
    fn drop(&mut self) {
        if self.admitted {
            self.add(-1);
        }
    }
}
