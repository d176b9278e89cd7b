//! Abort by percentage. The policy comes from the route's metadata, by id, as with filters/fault; each is compiled once.
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};
use serde::Deserialize;
use std::cell::RefCell;
use std::rc::Rc;

#[derive(Deserialize)]
struct Abort {
    #[serde(rename = "httpStatus")]
    http_status: u32,
    percentage: f64,
}
#[derive(Deserialize)]
struct Fault {
    abort: Option<Abort>,
}
#[derive(Deserialize)]
struct Policy {
    faults: Vec<Fault>,
}
#[derive(Default)]
struct Compiled {
    id: Vec<u8>,
    aborts: Vec<(u32, u32)>,
}

#[derive(Default)]
pub struct Root {
    compiled: Rc<RefCell<Compiled>>,
    dice: Rc<RefCell<u64>>,
}
impl Context for Root {}
impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        *self.dice.borrow_mut() = 0x9e3779b97f4a7c15;
        true
    }
    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request { compiled: self.compiled.clone(), dice: self.dice.clone() }))
    }
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Request {
    compiled: Rc<RefCell<Compiled>>,
    dice: Rc<RefCell<u64>>,
}
impl Context for Request {}
impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let Some(id) = self.get_property(vec!["xds", "route_metadata", "filter_metadata", "gatewright", "fault"]) else {
            return Action::Continue;
        };
        let mut compiled = self.compiled.borrow_mut();
        if compiled.id != id {
            let leaf = format!("fault_policy.{}", String::from_utf8_lossy(&id));
            let json = self.get_property(vec!["xds", "virtual_host_metadata", "filter_metadata", "gatewright", &leaf]);
            let Some(policy) = json.and_then(|json| serde_json::from_slice::<Policy>(&json).ok()) else {
                return Action::Continue;
            };
            let aborts = policy.faults.iter().flat_map(|fault| &fault.abort);
            compiled.aborts = aborts.map(|abort| (abort.http_status, (abort.percentage * 10_000.0) as u32)).collect();
            compiled.id = id;
        }
        for (status, share) in &compiled.aborts {
            let mut dice = self.dice.borrow_mut();
            *dice ^= *dice << 13;
            *dice ^= *dice >> 7;
            *dice ^= *dice << 17;
            if *dice % 1_000_000 < u64::from(*share) {
                self.send_http_response(*status, vec![], Some(b"fault filter abort"));
                return Action::Pause;
            }
        }
        Action::Continue
    }
}
