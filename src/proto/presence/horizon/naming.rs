//! Who names whom. Everybody in it has a number, so that a name takes four bytes and not 32: a server holds a million.

use std::collections::BTreeMap;

use crate::id::UserId;

/// A directed graph of users. Whoever names nobody and is named by nobody is not in it.
#[derive(Debug, Default)]
pub struct Naming {
    numbers: BTreeMap<UserId, u32>,
    people: Vec<Person>,
    /// Numbers that nobody has.
    free: Vec<u32>,
}

/// Both lists are in the order of ids.
#[derive(Debug)]
struct Person {
    id: UserId,
    names: Vec<u32>,
    named_by: Vec<u32>,
}

impl Naming {
    /// From now on a user names these, and nobody else. In the order of ids.
    pub fn set(&mut self, user: UserId, names: &[UserId]) {
        let me = self.number(user);
        let after: Vec<u32> = names.iter().map(|name| self.number(*name)).collect();
        let before = std::mem::replace(&mut self.people[me as usize].names, after);
        for named in before.iter().map(|number| *number as usize) {
            let place = self.place(&self.people[named].named_by, &user);
            if let Some(place) = place.ok().filter(|_| names.binary_search(&self.people[named].id).is_err()) {
                self.people[named].named_by.remove(place);
            }
        }
        for n in 0..names.len() {
            let named = self.people[me as usize].names[n] as usize;
            if let Err(place) = self.place(&self.people[named].named_by, &user) {
                self.people[named].named_by.insert(place, me);
            }
        }
        before.into_iter().chain([me]).for_each(|number| self.release(number));
    }

    /// Whom a user names, in the order of ids.
    pub fn names(&self, user: &UserId) -> impl Iterator<Item = UserId> + use<'_> {
        self.ids(self.person(user).map(|person| &person.names))
    }

    /// Who names a user, in the order of ids.
    pub fn naming(&self, user: &UserId) -> impl Iterator<Item = UserId> + use<'_> {
        self.ids(self.person(user).map(|person| &person.named_by))
    }

    /// Whether one names another.
    pub fn says(&self, one: &UserId, other: &UserId) -> bool {
        let both = self.person(one).zip(self.numbers.get(other));
        both.is_some_and(|(person, number)| person.names.contains(number))
    }

    /// Somebody who is named and whose id begins so.
    pub fn named_like(&self, short: [u8; 8]) -> Option<UserId> {
        let mut like = self.numbers.range(UserId::beginning(short));
        like.find(|(_, number)| !self.people[**number as usize].named_by.is_empty()).map(|(user, _)| *user)
    }

    fn person(&self, user: &UserId) -> Option<&Person> {
        self.numbers.get(user).map(|number| &self.people[*number as usize])
    }

    fn ids<'a>(&'a self, numbers: Option<&'a Vec<u32>>) -> impl Iterator<Item = UserId> + 'a {
        numbers.into_iter().flatten().map(|number| self.people[*number as usize].id)
    }

    /// Where in a list of numbers a user is, or should be.
    fn place(&self, list: &[u32], user: &UserId) -> Result<usize, usize> {
        list.binary_search_by(|number| self.people[*number as usize].id.cmp(user))
    }

    fn number(&mut self, user: UserId) -> u32 {
        if let Some(number) = self.numbers.get(&user) {
            return *number;
        }
        let person = Person { id: user, names: Vec::new(), named_by: Vec::new() };
        let number = self.free.pop().unwrap_or(self.people.len() as u32);
        match self.people.get_mut(number as usize) {
            Some(place) => *place = person,
            None => self.people.push(person),
        }
        self.numbers.insert(user, number);
        number
    }

    /// Takes the number of somebody back who has no use for it.
    fn release(&mut self, number: u32) {
        let person = &self.people[number as usize];
        if person.names.is_empty() && person.named_by.is_empty() && self.numbers.remove(&person.id).is_some() {
            self.free.push(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> UserId {
        UserId([n; 32])
    }

    #[test]
    fn whom_somebody_names_is_named_by_them_and_no_longer_than_that() {
        let mut naming = Naming::default();
        naming.set(id(5), &[id(1), id(9)]);
        naming.set(id(2), &[id(9)]);
        assert_eq!(naming.naming(&id(9)).collect::<Vec<_>>(), [id(2), id(5)]);
        naming.set(id(5), &[id(2), id(9)]);
        assert_eq!(naming.names(&id(5)).collect::<Vec<_>>(), [id(2), id(9)]);
        assert!(naming.says(&id(5), &id(2)) && !naming.says(&id(5), &id(1)) && !naming.says(&id(9), &id(5)));
        assert_eq!((naming.named_like([9; 8]), naming.named_like([5; 8])), (Some(id(9)), None));
    }

    #[test]
    fn a_thousand_who_came_and_went_leave_no_more_room_taken_than_one() {
        let mut naming = Naming::default();
        for n in 0..1000u64 {
            let mut user = [7; 32];
            user[..8].copy_from_slice(&n.to_be_bytes());
            naming.set(UserId(user), &[id(1), id(2)]);
            naming.set(UserId(user), &[]);
        }
        assert_eq!((naming.numbers.len(), naming.people.len()), (0, 3));
    }
}
