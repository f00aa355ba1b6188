//! What the connector does with honest servers: one list of scenarios, run against every kind of server.

mod arrange;
mod connect;
mod flows;
mod get;
mod manage;
mod put;
mod refused;

use arrange::Stage;
use flow_tests::servers::{FtpServer, Kind};

/// Makes a test of each scenario for each kind of server.
macro_rules! on_every_server {
    ($($module:ident { $($scenario:ident,)* })*) => {
        on_every_server! { @kind embedded Embedded [$($module { $($scenario,)* })*] }
        on_every_server! { @kind vsftpd Vsftpd [$($module { $($scenario,)* })*] }
        on_every_server! { @kind pure_ftpd PureFtpd [$($module { $($scenario,)* })*] }
        on_every_server! { @kind proftpd Proftpd [$($module { $($scenario,)* })*] }
        on_every_server! { @kind pyftpdlib Pyftpdlib [$($module { $($scenario,)* })*] }
    };
    (@kind $name:ident $kind:ident [$($module:ident { $($scenario:ident,)* })*]) => {
        mod $name {
            $(mod $module {
                $(#[test]
                fn $scenario() {
                    crate::on(crate::Kind::$kind, crate::$module::$scenario);
                })*
            })*
        }
    };
}

on_every_server! {
    get {
        one_file_by_its_path,
        files_by_regular_expression,
        files_in_folders_by_regular_expression,
        files_by_glob,
        a_file_that_the_command_names,
        a_file_below_the_default_folder,
        files_with_odd_names,
        files_in_folders_with_odd_names,
        an_empty_file,
        every_byte,
        nothing_when_nothing_fits,
        two_thousand_files,
        under_names_that_the_flow_gives,
    }
    put {
        a_new_file,
        onto_an_existing_file,
        into_new_folders,
        files_with_odd_names,
        an_empty_file,
        every_byte,
        under_the_original_path,
        as_private_files,
        appended,
    }
    manage {
        rename_into_a_new_folder,
        rename_onto_an_existing_file,
        rename_as_people_write_it,
        delete_the_original,
        delete_a_named_file,
        list_a_folder,
        make_and_remove_folders,
    }
    flows {
        pull_send_and_only_then_move,
        copy_between_folders_and_recreate_a_tree,
        copy_to_another_server_and_move,
        one_sign_in_for_all_steps,
    }
    connect {
        with_epsv,
        with_pasv,
        with_active_data_connections,
        and_check_the_connection,
    }
    refused {
        a_wrong_password,
        a_missing_file,
        a_missing_folder,
        a_folder_without_permission,
        a_rename_of_a_missing_file,
        a_folder_that_is_not_empty,
    }
}

/// Runs a scenario against a kind of server, and looks afterwards for what should not be left.
fn on(kind: Kind, scenario: fn(&Stage)) {
    let server = FtpServer::start(kind).expect("the server starts");
    let Some(server) = server else { return };
    let stage = Stage::new(server);
    scenario(&stage);
    stage.assert_nothing_left();
}
