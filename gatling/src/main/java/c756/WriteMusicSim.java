package c756;

import static io.gatling.javaapi.core.CoreDsl.doIf;
import static io.gatling.javaapi.core.CoreDsl.exec;

import io.gatling.javaapi.core.Session;
import java.util.UUID;

/** Every user writes a song, reads it back, deletes it, waits a second. What is read must equal what was written. */
public final class WriteMusicSim extends LoadSimulation {
    {
        forever(exec(WriteMusicSim::newSong).exec(MusicApi.CREATE)
                .exec(doIf(session -> session.contains("music_id")).then(
                        leftovers.created("music_id"),
                        exec(MusicApi.READ_BACK),
                        exec(Session::markAsSucceeded), // a song that could not be read must be deleted all the same
                        exec(MusicApi.DELETE),
                        leftovers.deleted("music_id")))
                .exec(waitOneSecond()));
    }

    /** A song that nobody else has, with characters that break careless code: quotes, other scripts, DynamoDB's own signs. */
    static Session newSong(Session session) {
        return session.markAsSucceeded().remove("music_id")
                .set("Artist", "C756 load: \"Ünïcödé\" & :v0 #n0 \\ 音楽")
                .set("SongTitle", "Song's title " + UUID.randomUUID());
    }
}
