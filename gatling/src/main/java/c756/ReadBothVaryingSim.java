package c756;

import static io.gatling.javaapi.core.CoreDsl.feed;

import java.time.Duration;

/** People come in one after another; each reads a user, thinks for 1 to 60 seconds, reads a song, thinks again. */
public final class ReadBothVaryingSim extends LoadSimulation {
    private static final Duration LEAST = Duration.ofSeconds(1);
    private static final Duration MOST = Duration.ofSeconds(60);

    {
        // One a second; however many they are, all have come in after a minute.
        Duration ramp = Duration.ofSeconds(Math.min(settings.users(), 60));
        forever(ramp, feed(Data.users()).exec(UserApi.READ).exec(wait(LEAST, MOST))
                .feed(Data.songs()).exec(MusicApi.READ).exec(wait(LEAST, MOST)));
    }
}
