-- People whose accounts were deleted, as the account service told: nobody brings them into a conversation.
CREATE TABLE departures (
    user_id uuid PRIMARY KEY
);
