package c756;

import static io.gatling.javaapi.core.CoreDsl.feed;

/** Every user reads one song per second. */
public final class ReadMusicSim extends LoadSimulation {
    {
        forever(feed(Data.songs()).exec(MusicApi.READ).exec(waitOneSecond()));
    }
}
