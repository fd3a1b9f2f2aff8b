//! What must hold, by name.

use std::fmt;

macro_rules! invariants {
    ($($(#[doc = $rule:literal])+ $variant:ident = $id:literal $name:literal),* $(,)?) => {
        /// Something that must hold in every history.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Invariant {
            $($(#[doc = $rule])+ $variant),*
        }

        impl Invariant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name when it is violated.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The rule that it belongs to, such as `I7`.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => $id),* }
            }

            /// What must hold.
            #[must_use]
            pub const fn rule(self) -> &'static str {
                match self { $(Self::$variant => concat!($($rule),+).trim_ascii()),* }
            }
        }
    };
}

invariants! {
    /// What was acknowledged, or seen by anybody, is in the final history of everybody who may see it.
    LostFromHistory = "I1" "lost-from-history",
    /// It was also shown on every device of every member.
    NeverDelivered = "I2" "never-delivered",
    /// An entry is shown at most once on a device.
    ShownTwice = "I3" "shown-twice",
    /// One message handed in is one message stored.
    DuplicateSend = "I4" "duplicate-send",
    /// All acknowledgements of a message say the same.
    Idempotency = "I5" "idempotency",
    /// A number names one entry, for everybody and for ever.
    InconsistentNumber = "I6" "inconsistent-number",
    /// A message has one number, in one conversation.
    MessageMoved = "I6" "message-moved",
    /// A device shows a conversation in the order of its numbers.
    Reordered = "I7" "reordered-on-device",
    /// The numbers of a conversation have no hole.
    GapInSequence = "I8" "gap-in-sequence",
    /// What was handed in after another was acknowledged or seen, or after it on the same device, has the greater number.
    RealTimeOrder = "I9" "real-time-order",
    /// What is seen was sent.
    Phantom = "I10" "phantom",
    /// It has the content that was sent.
    CorruptBody = "I10" "corrupt-body",
    /// What was refused for good is never seen.
    AbortedSendVisible = "I11" "aborted-send-visible",
    /// The newest page holds what its reader had acknowledged before asking.
    ReadYourWrites = "I12" "read-your-writes",
    /// The head that a device is told never goes back.
    TimeTravel = "I13" "time-travel",
    /// A page is ascending, without doubles, within what it says to cover.
    PageNotSorted = "I13" "page-not-sorted",
    /// The read mark that a device is told never goes back.
    MarkWentBack = "I14" "mark-went-back",
    /// A conversation looks unread only if the person wanted that, and in the end on every device or on none.
    MarkedUnreadWrong = "I14" "marked-unread-wrong",
    /// In the end the mark is the highest that was set, on every device.
    FinalMarkWrong = "I15" "final-mark-wrong",
    /// A badge is the number of visible messages of others above the mark that the reader has not hidden, whenever it is told, and in the end the same on every device.
    UnreadWrong = "I16" "unread-wrong",
    /// Nobody is said to have read what they didn't mark as read before.
    ReceiptBeforeRead = "I17" "receipt-before-read",
    /// Nobody is said to have got what no device of theirs has shown, unless they marked it as read.
    ReceiptBeforeDelivery = "I17" "receipt-before-delivery",
    /// A receipt is for a message that there is.
    ReceiptBeforeMessage = "I17" "receipt-before-message",
    /// A receipt never goes back.
    ReceiptWentBack = "I17" "receipt-went-back",
    /// Nobody sees what was written while they were not a member.
    DeliveredToNonMember = "I18" "delivered-to-non-member",
    /// Only members write, and what is handed in after a removal was acknowledged comes after it.
    WrittenByNonMember = "I18" "written-by-non-member",
    /// The final content of a message is that of the last edit that its reader may see.
    EditLost = "I19" "edit-lost",
    /// A deleted message never comes back.
    DeletedReturned = "I19" "deleted-returned",
    /// In the end every device has the reactions to a message that its changes make, as far as its person may see them.
    ReactionsWrong = "I19" "reactions-wrong",
    /// What a person has hidden is on no page that they ask for after it was told.
    HiddenReturned = "I19" "hidden-returned",
    /// A person's devices are all told what the person has hidden, in one order, and nothing else.
    HiddenWrong = "I19" "hidden-wrong",
    /// A file arrives as it was sent.
    FileDamaged = "I20" "file-damaged",
    /// A file is for members.
    FileLeaked = "I20" "file-leaked",
    /// Ids are unique over everything.
    IdReused = "I21" "id-reused",
    /// In the end every message was acknowledged or refused, and what a member hid is hidden.
    Unresolved = "I22" "unresolved",
    /// After the last fault messages are acknowledged and shown in time.
    NotLive = "L1" "not-live",
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
