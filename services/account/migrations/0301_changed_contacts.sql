-- Outbox: people whose devices have yet to hear that their contacts have changed.
CREATE TABLE changed_contacts (
    position  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id   uuid NOT NULL
);

-- By a trigger, so that no code that changes contacts can forget it.
CREATE FUNCTION tell_of_contacts() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changed_contacts (user_id)
        VALUES (CASE WHEN TG_OP = 'DELETE' THEN OLD.owner_id ELSE NEW.owner_id END);
    RETURN NULL;
END
$$;
CREATE TRIGGER contacts_changed AFTER INSERT OR UPDATE OR DELETE ON contacts
    FOR EACH ROW EXECUTE FUNCTION tell_of_contacts();
