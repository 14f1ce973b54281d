package c756;

import static io.gatling.javaapi.core.CoreDsl.doIf;
import static io.gatling.javaapi.core.CoreDsl.exec;

import io.gatling.javaapi.core.ChainBuilder;
import io.gatling.javaapi.core.Session;
import java.util.UUID;

/** Every operation of the user and the music service, once for each round of each user, in an order that makes sense. */
public final class CoverageSim extends LoadSimulation {
    {
        ChainBuilder user = exec(CoverageSim::newUser).exec(UserApi.CREATE)
                .exec(doIf(session -> session.contains("user_id")).then(
                        leftovers.created("user_id"),
                        exec(UserApi.LOGIN),
                        exec(UserApi.READ_BACK.header("Authorization", "Bearer #{jwt}")),
                        exec(session -> session.set("fname", "Changed").set("email", UUID.randomUUID() + "@example.org")),
                        exec(UserApi.UPDATE),
                        exec(UserApi.READ_BACK),
                        exec(UserApi.LOGOFF),
                        exec(Session::markAsSucceeded),
                        exec(UserApi.DELETE),
                        leftovers.deleted("user_id"),
                        exec(UserApi.READ_DELETED)));
        ChainBuilder song = exec(WriteMusicSim::newSong).exec(MusicApi.CREATE)
                .exec(doIf(session -> session.contains("music_id")).then(
                        leftovers.created("music_id"),
                        exec(MusicApi.READ_BACK),
                        exec(MusicApi.LIST),
                        exec(Session::markAsSucceeded),
                        exec(MusicApi.DELETE),
                        leftovers.deleted("music_id"),
                        exec(MusicApi.READ_DELETED)));
        forever(exec(UserApi.HEALTH).exec(MusicApi.HEALTH).exec(user).exec(song).exec(waitOneSecond()));
    }

    private static Session newUser(Session session) {
        String unique = UUID.randomUUID().toString();
        return session.markAsSucceeded().remove("user_id").remove("jwt")
                .set("fname", "Zoë \"C756\"").set("lname", "O'Load " + unique).set("email", unique + "@example.org");
    }
}
