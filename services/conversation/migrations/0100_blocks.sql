-- Who blocks whom, as the account service told last. It is kept for pairs without a conversation too:
-- none is opened through a block.
CREATE TABLE blocks (
    blocker_id uuid    NOT NULL,
    blocked_id uuid    NOT NULL,
    -- The account service's: 1, 2, 3, … per pair; the newest wins.
    version    bigint  NOT NULL,
    active     boolean NOT NULL,
    PRIMARY KEY (blocker_id, blocked_id)
);
