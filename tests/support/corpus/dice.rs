//! Numbers that look random and are the same in each run (`SplitMix64`).

/// A sequence of numbers.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The sequence of this number of the corpus.
    pub fn of(seed: u64, number: u64) -> Self {
        let mut dice = Dice(seed ^ number.wrapping_mul(0xd134_2543_de82_ef95));
        dice.roll();
        dice
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % end as u64).unwrap()
    }

    /// Whether something happens that does in so many of a hundred cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T: ?Sized>(&mut self, choice: &[&'a T]) -> &'a T {
        choice[self.below(choice.len())]
    }

    /// So many bytes, many of which mean something to HTTP.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }

    pub fn byte(&mut self) -> u8 {
        const SIGNS: &[u8] = b"\r\n\r\n \t:;,0159afAF\0\x0b\x7f-+\"/%?#@H\xe9\xff";
        if self.chance(60) { SIGNS[self.below(SIGNS.len())] } else { u8::try_from(self.below(256)).unwrap() }
    }

    /// Where to cut so many bytes into pieces.
    pub fn cuts(&mut self, length: usize) -> Vec<usize> {
        if length < 2 || self.chance(60) {
            return Vec::new();
        }
        let mut cuts: Vec<_> = (0..=self.below(4)).map(|_| 1 + self.below(length - 1)).collect();
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }
}
