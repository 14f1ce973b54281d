package c756;

import static io.gatling.javaapi.core.CoreDsl.csv;

import io.gatling.javaapi.core.FeederBuilder;

/**
 * What the loader has put into the tables: gatling/resources/*.csv.
 *
 * <p>tools/gatling.sh checks before a run that the rows of the feeders that a simulation names (users, songs) are there.
 */
final class Data {
    private Data() {}

    /** Sets user_id, fname, lname, email of any user of users.csv. */
    static FeederBuilder<String> users() {
        return csv("users.csv").random();
    }

    /** Sets music_id, Artist, SongTitle of any song of music.csv. */
    static FeederBuilder<String> songs() {
        return csv("music.csv").random();
    }
}
