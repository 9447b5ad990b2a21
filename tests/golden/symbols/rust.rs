use crate::money::{self, Money as M, round::*};
use super::owner;
mod prices;

/// What a customer wants.
#[derive(Clone)]
pub struct Cart<T> {
    pub items: Vec<T>,
}

struct Id(u64);

pub enum Paid {
    Cash,
    Card { number: String },
}

pub trait Payer {
    const LIMIT: usize;
    type Output;
    fn pay(&self, amount: M) -> Paid;
}

impl<T> Payer for Cart<T> {
    const LIMIT: usize = 3;
    // Settles it.
    fn pay(&self, amount: M) -> Paid {
        let (sum, mut rest) = prices::split(amount);
        for item in &self.items {
            rest += item.price(|by| by * sum);
        }
        if let Some(card) = owner::card() { return card; }
        Paid::Cash
    }
}

mod tests {
    static COUNT: u8 = 1;
    pub(crate) fn check() {}
}

macro_rules! total { () => {}; }
