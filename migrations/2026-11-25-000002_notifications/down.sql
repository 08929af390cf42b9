-- Migrations run forward only: a mistake is mended by a new one.
DO $$ BEGIN RAISE EXCEPTION 'migrations run forward only'; END $$;
